"""Miniatures of the files that road.re.kr, data.ex.co.kr and topis.seoul.go.kr hand out, with their oddities."""

import gzip
import html
from pathlib import Path
from typing import IO

import openpyxl

CLASSES = [f"{i}종" for i in range(1, 13)]


# --- toll offices


def toll_rows(date: str, offices=("101 ", "013 "), hours=range(24)) -> list[list]:
    """Rows of one day: date, hour, office, in/out, TCS/Hi-pass, operator, form, 6 classes, total.

    Class 1 counts 100·TCS + 10·hour + office's last digit + 1000·out, the others 1 each: total = that + 5.
    """
    rows = []
    for hour in hours:
        for office in offices:
            for way in (0, 1):
                for tcs in (1, 2):
                    first = 100 * tcs + 10 * hour + int(office.strip()[-1]) + 1000 * way
                    codes = [f"{hour:02}", office, f"{way} ", f"{tcs} ", "00", " 1"]
                    rows.append([date, *codes, first, 1, 1, 1, 1, 1, first + 5])
    return rows


TOLL = ["집계일자", "집계시", "영업소코드", "입출구구분코드", "TCS하이패스구분코드", "고속도로운영기관구분코드",
        "영업형태구분코드", *(f"{i}종교통량" for i in range(1, 7)), "총교통량"]  # fmt: skip


def toll_text(rows: list[list], era: str = "header", names: bool = False, daily: bool = False) -> str:
    """era: 'pipe' (2016-19), 'comma' (no header), 'header' (quoted, dashes). names: a column of names in between."""
    header = list(TOLL)
    rows = [list(row) for row in rows]
    if daily:
        del header[1]
        for row in rows:
            del row[1]
    if names:
        place = header.index("영업소코드") + 1
        header.insert(place, "영업소명")
        for row in rows:
            row.insert(place, "서울, 동")
    if era == "header":
        lines = [",".join(f'"{cell}"' for cell in row) + "," for row in [header, *rows]]
    else:
        mark = "|" if era == "pipe" else ","
        lines = [mark.join([str(row[0]).replace("-", ""), *map(str, row[1:])]) + mark for row in rows]
    return "\r\n".join(lines) + "\r\n"


def toll(path: Path, rows: list[list], era: str = "header", **options) -> Path:
    """gzip, whatever the name says, in cp949."""
    path.write_bytes(gzip.compress(toll_text(rows, era, **options).encode("cp949"), mtime=0))
    return path


# --- workbooks and pages


def workbook(path: Path | IO[bytes], sheets: dict[str, list[list]]) -> Path | IO[bytes]:
    """sheets: name -> rows; path: where to, or an open file."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def page(path: Path, rows: list[list], encoding: str = "cp949", head: str = "") -> Path:
    """An HTML table called .xls; `head` replaces the first rows by markup of its own (spans)."""
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>\n" for row in rows)
    meta = f'<meta http-equiv="Content-Type" content="text/html; charset={encoding}">'
    text = f"<html><head>{meta}<title>상시조사</title></head><body><table border=1>{head}{body}</table></body></html>"
    path.write_bytes(text.encode(encoding))
    return path


LOGIN = "<!DOCTYPE html><html><head><title>로그인</title></head><body><form>로그인이 필요합니다</form></body></html>"


# --- TMS


def national_rows(spot: str, year: int, month: int, day: int, direction, first: int) -> list:
    """1시 … 24시 count first, first+1, …; 합계 is their sum."""
    hours = [first + i for i in range(24)]
    return [spot, year, month, day, direction, *hours, sum(hours)]


NATIONAL = ["지점번호", "년도", "월", "일", "방향", *(f"{i}시" for i in range(1, 25)), "합계"]


def expressway_text(rows: list[list], starts: bool = True) -> str:
    """rows: 노선, 구간, 날짜, 방향, 차로, 24 hours (text as it stands), total. A title stands above the header."""
    hours = [f"{i:02}시~{i + 1:02}시" if starts else f"{i + 1}시" for i in range(24)]
    header = ["노선 명", "구간 명", "날짜", "방향", "차로", *hours, "전일합계(대)"]
    lines = [",".join(f'"{cell}"' if "," in str(cell) else str(cell) for cell in row) for row in [header, *rows]]
    return "상시교통량 조회" + "," * 29 + "\r\n" + "\r\n".join(lines) + "\r\n"


LEAD = ["지점번호", "호선명", "월", "일", "방향", "행정구역", "주변분기점"]


def class_table(rows: list[list], years: list[int], lead: int = 7) -> list[list]:
    """Two header rows (years above, names below); rows: leading cells, then 12 classes per year. Adds the totals."""
    above = [""] * lead + [cell for year in years for cell in (f"{year}년", *[""] * 12)]
    below = LEAD[:lead] + [*CLASSES, "전차종합계"] * len(years)
    table = [above, below]
    for row in rows:
        cells = row[:lead]
        for place in range(lead, len(row), 12):
            values = row[place : place + 12]
            cells += [*values, sum(values) if all(isinstance(value, int) for value in values) else "-"]
        table.append(cells)
    return table


# --- TOPIS


TOPIS = ["일자", "요일", "지점명", "지점번호", "방향", "구분", *(f"{i}시" for i in range(24))]


def topis_rows(days: list[str], spots: dict[str, str], base: int = 100) -> list[list]:
    """spots: number -> name. 유입 counts base + day index + hour, 유출 1000 more."""
    return [[int(day), "월", name, number, "시청->교외" if way else "교외->시청", "유출" if way else "유입",
             *(base + place + hour + 1000 * way for hour in range(24))]
            for place, day in enumerate(days) for number, name in spots.items() for way in (0, 1)]  # fmt: skip


def topis(path: Path, rows: list[list], header: list | None = None, spots: dict[str, str] | None = None) -> Path:
    """A monthly workbook: legend, data, places."""
    legend = [["서울시 교통량 조사자료"], ["지점번호", "조사 지점의 번호"], ["구분", "유입/유출"]]
    places = [["지점번호", "지점명", "위도", "경도", "주소"],
              *([number, name, 37.5, 127.0, "서울시"] for number, name in (spots or {}).items())]  # fmt: skip
    return workbook(path, {"범례": legend, "2019년 자료": [header or TOPIS, *rows], "수집지점 주소 및 좌표": places})
