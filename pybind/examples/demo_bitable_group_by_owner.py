"""How many records of a Feishu or Lark table each owner has. Prints ``<owner>: <count>`` lines.

``FEISHU_BITABLE_APP_ID`` and ``FEISHU_BITABLE_APP_SECRET`` name the application, ``FEISHU_BITABLE_BASE_URL`` is the address
of the table as a browser shows it, and ``FEISHU_BITABLE_OWNER_FIELD`` the field that is grouped by.
"""

import argparse
import os
from typing import Dict

from velaria import BitableClient, group_rows_count_by_field

NAMES = (
    "FEISHU_BITABLE_APP_ID",
    "FEISHU_BITABLE_APP_SECRET",
    "FEISHU_BITABLE_BASE_URL",
    "FEISHU_BITABLE_OWNER_FIELD",
)


def settings() -> Dict[str, str]:
    missing = [name for name in NAMES if not os.environ.get(name)]
    if missing:
        raise RuntimeError("missing environment variables: " + ", ".join(missing))
    return {name: os.environ[name] for name in NAMES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", help="where the service is, when it is not that of the address")
    arguments = parser.parse_args()
    app_id, app_secret, url, owner_field = settings().values()
    client = BitableClient(app_id, app_secret, base_url=arguments.service)
    counts = group_rows_count_by_field(client.list_records_from_url(url), owner_field)
    for owner, count in sorted(counts.items()):
        print("{}: {}".format(owner, count))


if __name__ == "__main__":
    main()
