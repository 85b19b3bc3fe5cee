"""Forms of a bundle, found by their file. `writers/<name>.py` holds the literals NAME (what a README calls the form),
USE (Markdown: how to call it, with {folder} for the bundle's name), and the function

write(program, card, folder) -> list[str]     names of the files it wrote into `folder`

program: `program.Program`; card: the dict `card` of bundle.json, and in it its `bands`, {"80": radius, "95": radius},
radius (H, C) or (H, 1) in scaled units, or {} where there are none; folder: the bundle's, a Path. A form that cannot
hold this program raises `derive.Unfit` with the reason, which the README says; no file of it may be left then.
"""

from litecast import catalogue


def names() -> list[str]:
    return list(catalogue.members("bundle/writers", "NAME", "USE"))
