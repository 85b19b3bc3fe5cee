"""Miniature KTDB packages: every layout of the provider with 5 made-up zones (25 rows), values known by a formula.

Files are built as the provider builds them: folder names in cp949 inside zips that do not say so, texts in cp949
without a header, titles above headers, a first sheet that is no data, header cells that are blank or full-width.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl

from fakes import traffic_files

Z = 5
PAIRS = [(o, d) for o in range(1, Z + 1) for d in range(1, Z + 1)]
CODES = [1101072, 1101053, 2301054, 3101055, 3901056]  # 행정기관코드 of the 5 zones
NAMES = ["가온동", "나래동", "다솜동", "라온동", "마루동"]
OD_250 = ["출발시도", "도착시도", "출발시군구", "도착시군구", "출근", "등교", "업무", "귀가", "기타", "（합계）"]
MODES_250 = [*OD_250[:4], "승용차", "버스", "지하철", "일반철도", "고속철도", "항공", "해운", "합계"]
REGION = ["출발", "도착", "출근", "등교", "업무", "귀가", "기타", "합계"]
REGION_MODES = ["출발", "도착", "도보/자전거", "승용차", "버스", "일반/고속철도", "도시철도", "택시", "기타",
                "(승용차/택시)", "(기타합계)"]  # fmt: skip
FREIGHT = ["O_250", "대존O_17", "D_250", "대존D_17", "소형", "중형", "대형", "전체"]
LARGE_TITLES = ["출근", "등교", "업무", "쇼핑", "귀가", "여가", "기타", "합계"]


def trips(origin: int, destination: int, place: int, year: int = 2023) -> int:
    """Trips of the `place`-th category of a row, from 0: as 1342 = 1000 + 3·100 + 4·10 + 2, and more every year."""
    return 1000 + 100 * origin + 10 * destination + place + 10_000 * (year - 2023)


# --- contents


def text(categories: int, year: int = 2023) -> bytes:
    """Rows of ODTRIPyy_F.OUT (5 categories) or OD_MMODE_yy_F.TXT (10): no header, runs of spaces, Windows line ends."""
    lines = []
    for o, d in PAIRS:
        ids = [o, CODES[o - 1], d, CODES[d - 1]]
        values = [f"{trips(o, d, k, year)}.25" for k in range(categories)]
        lines.append("".join(f"{value:>10}" for value in [*ids, *values]))
    return "\r\n".join([*lines, ""]).encode("cp949")


def workbook(sheets: dict[str, list[list]]) -> bytes:
    """An xlsx of sheets, each a list of rows."""
    content = io.BytesIO()
    traffic_files.workbook(content, sheets)
    return content.getvalue()


def _saved(book) -> bytes:
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def flows(header: list[str], ids: Callable[[int, int], list], categories: int, year: int, total: bool = True,
          more: Callable[[list], list] | None = None) -> list[list]:
    """Header and 25 rows: ids, categories, their sum."""
    rows = []
    for o, d in PAIRS:
        values = [trips(o, d, k, year) for k in range(categories)]
        rows.append([*ids(o, d), *values, *([sum(values)] if total else []), *(more(values) if more else [])])
    return [[*header], *rows]


def _wide(o: int, d: int) -> list:
    return [1 if o < 4 else 2, 1 if d < 4 else 2, o, d]


def _ids(o: int, d: int) -> list:
    return [o, d]


def national_purposes(years=(2023, 2030), change: Callable[[list[list]], None] | None = None) -> bytes:
    """전국_2023년~2050년 목적별OD(250).xlsx; thousands are texts with commas in row 2.."""
    sheets = {}
    for year in years:
        rows = flows(OD_250, _wide, 5, year)
        rows[1][4:] = [f"{value:,}" for value in rows[1][4:]]
        if change:
            change(rows)
        sheets[f"{year}_목적OD"] = rows
    return workbook(sheets)


def national_modes(years=(2023,)) -> bytes:
    return workbook({f"{year}_주수단OD": flows(MODES_250, _wide, 7, year) for year in years})


def region_purposes() -> bytes:
    """부산울산권_목적통행.xlsx: the first sheet is no data."""
    years = {f"{year}년": flows(REGION, _ids, 5, year) for year in (2023, 2025)}
    return workbook({"설명": [["부산울산권 목적통행"], ["단위: 통행/일"]]} | years)


def region_modes() -> bytes:
    """부산울산권_주수단통행.xlsx: two columns are sums of others, there is no total."""
    sums = lambda values: [values[1] + values[5], sum(values) - values[1] - values[5]]  # noqa: E731
    return workbook({"표지": [["부산울산권"]], "2023년": flows(REGION_MODES, _ids, 7, 2023, False, sums)})


def freight(*sheets: str) -> bytes:
    """배포용 (기준년도 2023년) 화물자동차OD_2025.11.28.xlsx: a title above the header; the base year, then 2030.

    In the second sheet a name of the header is repeated, as copies of it do.
    """
    title = ["전국 지역간 톤급별 화물자동차 통행량 O/D (대/일)"]
    headers = [FREIGHT, [*FREIGHT[:3], FREIGHT[1], *FREIGHT[4:]]]
    ids = lambda o, d: [o, 1 if o < 4 else 2, d, 1 if d < 4 else 2]  # noqa: E731
    years = zip(sheets or ["Sheet1"], headers, (2023, 2030), strict=False)
    return workbook({name: [title, *flows(header, ids, 3, year)] for name, header, year in years})


def large(titles: list[str] | None = None, years=(2019,)) -> bytes:
    """2019년~2050년 목적별OD(250).xlsx as it was: 8 matrices of 17 x 17 from C5, one every 23 rows; the last is a sum.

    Trips from o to d of the k-th purpose: 100·o + d + 10000·k.
    """
    book = openpyxl.Workbook()
    book.remove(book.active)
    for year in years:
        sheet = book.create_sheet(f"대존_{year}")
        for k in range(8):
            top = 5 + 23 * k
            if titles:
                sheet.cell(top - 2, 1, titles[k])
            for o in range(1, 18):
                sheet.cell(top + o - 1, 2, o)
                for d in range(1, 18):
                    each = [100 * o + d + 10_000 * j for j in range(7)]
                    sheet.cell(top + o - 1, 2 + d, each[k] if k < 7 else sum(each))
    return _saved(book)


def zones_250() -> bytes:
    """250 존체계.xlsx, with 5 zones in 2 large ones."""
    rows = [["가나도" if z < 4 else "다라도", NAMES[z - 1], z, z, 1 if z < 4 else 2] for z in range(1, Z + 1)]
    return workbook({"존체계": [["대존", "소존", "250존체계", "161존체계", "17존체계"], *rows]})


def zones_metropolitan(codes=tuple(CODES)) -> bytes:
    """수도권 존체계.xlsx; the last zone lies outside and has no 행정동."""
    header = ["시도", "시군구", "행정동", "권역", "존체계_읍면동", "행정기관코드_읍면동", "권역내부=1, 권역외부=2"]
    rows = [["서울", "종로구" if z < 3 else "중구", NAMES[z - 1] if z < 5 else None, "수도권", z, codes[z - 1],
             1 if z < 5 else 2] for z in range(1, Z + 1)]  # fmt: skip
    return workbook({"Sheet1": [header, *rows]})


def people_250(more: int = 0) -> bytes:
    """전국지역간_사회경제지표.xlsx: a sheet per fact, a blank header over the zones; more: people in each."""
    def sheet(times: int) -> list[list]:
        return [["시도코드", "시군구", None, "2023년", "2030년"],
                *([1, NAMES[z - 1], z, times * z + more, times * z + more + 1] for z in range(1, Z + 1))]  # fmt: skip

    return workbook({"총인구": sheet(1000), "5-24세 인구": sheet(200), "15세 이상 인구": sheet(900),
                     "취업자수": sheet(500), "종사자수": sheet(400), "학생인구수": sheet(150)})  # fmt: skip


def people_by_age() -> bytes:
    """SUB_POPyy.TXT or EMP_POP_yy.TXT: 4 inner zones, men of age a: 10·zone + a, women twice that."""
    header = ["일련번호", "ZONE_ID", *(f"남{age}" for age in range(101)), *(f"여{age}" for age in range(101))]
    rows = [[z, z, *(10 * z + a for a in range(101)), *(2 * (10 * z + a) for a in range(101))] for z in range(1, 5)]
    return _people(header, rows)


def workers() -> bytes:
    """WORK_POPyy.TXT, which names its zones by code."""
    header = ["일련번호", "ZONE_ID", "3차", "총종사자"]
    return _people(header, [[z, CODES[z - 1], 70 * z, 100 * z] for z in range(1, 5)])


def students() -> bytes:
    rows = [[z, z, 10 * z, 20 * z, 30 * z, z, 40 * z] for z in range(1, 5)]
    return _people(["일련번호", "ZONE_ID", "초", "중", "고", "특수", "대"], rows)


def _people(header: list[str], rows: list[list]) -> bytes:
    return "\r\n".join("\t".join(map(str, row)) for row in [header, *rows]).encode("cp949")


def access() -> bytes:
    """A layout that nobody has described: 접근수단."""
    return workbook({"2023년": flows(["출발", "도착", "승용차", "택시", "버스"], _ids, 3, 2023, False)})


# --- packages


def package(path: Path, members: dict[str, bytes], encoding: str = "cp949") -> Path:
    """A zip with Korean names in cp949 and no flag that says so, as Windows writes it; or in utf-8 with the flag."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, (2026, 1, 15, 10, 0, 0))
            if encoding == "cp949":
                info = _Windows(name, (2026, 1, 15, 10, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(info, content)
    return path


class _Windows(zipfile.ZipInfo):
    """Name in cp949, flag for utf-8 not set."""

    def _encodeFilenameFlags(self):  # noqa: N802 (the hook of the standard library)
        return self.filename.encode("cp949"), self.flag_bits & ~0x800


def national(folder: Path, **changes: bytes) -> Path:
    """2024-OD-PSN-OBJ-00: zones, people, purposes of 2023 and 2030."""
    members = {"1. 존체계/250 존체계.xlsx": zones_250(), "2. 설명자료/설명서.hwp": b"\xd0\xcf\x11\xe0 hwp",
               "3. 사회경제지표/전국지역간_사회경제지표.xlsx": people_250(),
               "5. OD/전국_2023년~2050년 목적별OD(250).xlsx": national_purposes()}  # fmt: skip
    return package(folder / "2024-OD-PSN-OBJ-00 전국 목적OD.zip", members | changes)


def metropolitan(folder: Path, **changes: bytes) -> Path:
    """2024-OD-PSN-OBJ-01 and -MOD-11 in one: texts."""
    members = {"1. 존체계/존체계.xlsx": zones_metropolitan(),
               "3. 사회경제지표/인구수/SUB_POP23.TXT": people_by_age(),
               "3. 사회경제지표/취업자수/EMP_POP_23.TXT": people_by_age(),
               "3. 사회경제지표/종사자수/WORK_POP23.TXT": workers(), "3. 사회경제지표/학생수/STU_POP23.TXT": students(),
               "4. OD/ODTRIP23_F.OUT": text(5), "4. OD/ODTRIP30_F.OUT": text(5, 2030),
               "4. OD/OD_MMODE_23_F.TXT": text(10), "4. OD/OD_MMODE_HOME_23_F.TXT": text(10),
               "4. OD/OD_MMODE_WORK_23_F.TXT": text(10), "4. OD/OD_MMODE_SCHO_23_F.TXT": text(10),
               "4. OD/OD_MMODE_OTHE_23_F.TXT": text(10)}  # fmt: skip
    return package(folder / "2024-OD-PSN-OBJ-01 수도권.zip", members | changes)
