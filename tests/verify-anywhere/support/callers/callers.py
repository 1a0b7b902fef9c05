"""Many callers of one verifier at once. Each line is a token that each of them brings, and each line told is what they got.

Usage: callers.py PUBLIC_URL HOW_MANY
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from verify import Refused, Unavailable, Verifier

verifier = Verifier(sys.argv[1], service_key=os.environ.get("VESTIBULE_SERVICE_KEY"))


def call(token):
    began = time.monotonic()
    try:
        answer = {"told": verifier.verify(token)}
    except (Refused, Unavailable) as error:
        answer = {"complaint": f"{type(error).__name__}: {error}"}
    return {**answer, "milliseconds": round((time.monotonic() - began) * 1000)}


with ThreadPoolExecutor(int(sys.argv[2])) as callers:
    for line in sys.stdin:
        print(json.dumps(list(callers.map(call, [line.strip()] * int(sys.argv[2])))), flush=True)
