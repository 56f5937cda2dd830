"""What runs in a fresh process: one request (JSON, first argument) in, one answer (JSON, last line of stdout) out."""

import gc
import json
import resource
import sys

import checksum
from child import version
from streams_runs import WORKLOADS


def main():
    request = json.loads(sys.argv[1])
    if "package" in request:
        answer = version(request["package"])
    else:
        answer = measure(**request)
    print(json.dumps(answer))


def measure(workload, engine, size):
    # What results are made of: no engine shall pay for its import while the clock runs.
    import pyarrow.compute  # noqa: F401

    gc.disable()
    seconds, table = WORKLOADS[workload][3][engine](size)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # Linux gives kilobytes, macOS bytes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return {"ms": seconds * 1e3, "checksum": checksum.of_table(table), "peak_rss_mb": round(peak, 1)}


if __name__ == "__main__":
    main()
