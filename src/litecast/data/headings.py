"""Words that headers are written in, English and Korean, and the roles that they suggest."""

import re

# Header words by role, in order of preference; compared in lower case, with _ and - as blanks.
TIMES = ("datetime,date time,timestamp,일시,측정일시,date,ds,날짜,일자,기준일자,기준일,거래일자,거래일,년월,월,time,"
         "시간,시각,기간,yearmonth,year month,yyyymm,연월,기준년월,기준연월,yearweek,year week,주차,step,t").split(",")
HOURS = re.compile(r"\b(hour|hr|h|hh|he|time)\b|시간|시각|^시$")
DATES = (("year", "yr", "yyyy", "연도", "년도", "년", "연"), ("month", "mm", "mnth", "월"), ("day", "dd", "일"))
COUNTERS = {"", "no", "no.", "nr", "id", "index", "idx", "row", "seq", "instant", "record", "번호", "연번", "순번", "#"}
SERIES = ("series,unique id,series id,item id,item,id,지점,지점명,지점번호,지점코드,품목,품목명,상품,상품명,제품,"
          "종목,종목명,종목코드,점포,매장,지역,구분,name,site,station,location,sensor,store,product,sku,region,"
          "ticker,symbol,shop,warehouse,destination,origin,역명,역번호,노선,측정소,측정소명,store id,product id,"
          "regionid,city,sensor id,meter,meter id,customer,account,계정항목").split(",")  # fmt: skip
VALUES = [group.split(",") for group in (
    "value,값,y,target", "수요,수요량,판매량,교통량,거래량,사용량,수량", "demand,sales,volume,quantity,qty,count",
    "종가,가격,close,price")]  # fmt: skip
CODES = re.compile(r"코드|번호|code|\b(?:id|no|nr)\b")
JOINED = " / "  # between the texts of several columns that name a series
# What drives demand, by its name: beside other numbers such a column is no demand.
CALENDAR = re.compile(
    r"\b(holidays?|working ?day|weekday|weekend|day ?of ?week|dow|seasons?|quarter|month|mnth|year|yr|hour|hr|"
    r"minute|promo|promotion)\b|휴일|요일|계절|행사"
)
WEATHER = re.compile(
    r"\b(a?temp|temperature|hum|humidity|wind ?speed|visibility|dew ?point|solar radiation|rain|rainfall|snow|snowfall|"
    r"precipitation|weather ?\w*|clouds?)\b|기온|습도|풍속|강수량|적설|일사량|기압"
)


def word(name: str) -> str:
    """A header in lower case, with _ and - as blanks."""
    return re.sub(r"[\s_-]+", " ", name).strip().lower()


def of_demand(name: str) -> bool:
    """Whether a word of a header says demand."""
    return bool(set(word(name).split()) & {each for group in VALUES for each in group})


def of_codes(name: str) -> bool:
    """Whether a column holds codes, by its name: numbers that are names."""
    return bool(CODES.search(word(name)))


def of_days(name: str) -> bool:
    """Whether a column tells of the day or hour, not of demand, by its name."""
    return bool(CALENDAR.search(re.sub(r"\(.*?\)", "", word(name))))  # without its unit


def of_weather(name: str) -> bool:
    """Whether a column tells of the weather, by its name."""
    return bool(WEATHER.search(word(name)))
