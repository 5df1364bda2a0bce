import os
import time
from datetime import datetime
from zoneinfo import ZoneInfo

moment = datetime(2024, 7, 1, 12, 0, tzinfo=ZoneInfo("UTC"))
print("Shanghai", moment.astimezone(ZoneInfo("Asia/Shanghai")).utcoffset())
print("New York", moment.astimezone(ZoneInfo("America/New_York")).tzname())

# The C library's own.
os.environ["TZ"] = "Asia/Kolkata"
time.tzset()
print("Kolkata", time.strftime("%z"))
