"""Claims: the rule by which cases become a verdict, and each claim on rows made for it."""

import numpy as np
import pandas as pd
import pytest

from litecast import paths, results
from litecast.report import words
from litecast.results import claims, evidence, statistics
from litecast.results.evidence import AGAINST, FAILS, FOR, HOLDS, OPEN, PARTLY, UNTESTABLE, Evidence


@pytest.mark.parametrize("said, told", [
    ([], UNTESTABLE), ([OPEN], UNTESTABLE), ([FOR], HOLDS), ([FOR, OPEN], HOLDS), ([FOR, OPEN, OPEN], PARTLY),
    ([FOR, AGAINST], PARTLY), ([AGAINST], FAILS), ([AGAINST, OPEN, OPEN, OPEN], FAILS),
])  # fmt: skip
def test_cases_of_one_kind(said, told):
    assert evidence.tally(said) == told


@pytest.mark.parametrize("kinds, told", [
    ([], UNTESTABLE), ([[FOR], [FOR]], HOLDS), ([[FOR], [OPEN]], PARTLY), ([[FOR], [AGAINST]], PARTLY),
    ([[AGAINST], [OPEN]], FAILS), ([[OPEN], [OPEN]], UNTESTABLE), ([[FOR, AGAINST], [AGAINST]], PARTLY),
])  # fmt: skip
def test_a_claim_of_several_parts_holds_if_all_do(kinds, told):
    assert evidence.verdict(kinds) == told


def line(model, technique, wape, size=1000, level="8", variant="float32", role="compressed", seed=0, **more):
    return {"dataset": "d", "model": model, "technique": technique, "level": level, "variant": variant, "seed": seed,
            "role": role, "val_wape": wape, "test_wape": wape, "bytes": size, "val_skill": 0.5, "runtime": "torch",
            "H": 2, "params": size, "macs": size, "run": "runs/x/y", "artefact": f"{model}-{technique}"} | more


def collected(*lines):
    """A table as `results.collect` gives it."""
    table = results.typed(pd.DataFrame(lines, columns=results.COLUMNS))
    table = table.assign(row_id=[results.row_id(row) for row in table.to_dict("records")])
    table["dense_id"] = table.row_id.map(results.reference(table)).astype(str)
    return table.assign(selected=results.select(table).astype(float), ratio=1000 / table.bytes)


def dense(model="lstm", wape=0.1, size=1000, **more):
    return line(model, "dense", wape, size, role="dense", **more)


def losses(rows, seed=0):
    """Losses that are as far apart as the test errors of the rows, and nearly the same otherwise."""
    origins, draw = pd.date_range("2024-01-01", periods=24 * 7 * 12, freq="h"), np.random.default_rng(seed)
    base = draw.uniform(1, 2, len(origins))
    return pd.concat([pd.DataFrame({
        "row_id": row.row_id, "series": "a", "origin": origins,
        "abs_err": row.test_wape * base * draw.normal(1, 0.02, len(base))}) for row in rows.itertuples()])  # fmt: skip


def answer(number, rows, **more):
    tests = claims.compare(rows, losses(rows))
    verdicts = statistics.compare(rows, losses(rows))
    found = claims.answers(Evidence(rows, verdicts=verdicts, tests=tests, **more))
    return next(one for one in found if one.claim.number == number)


def sequence(*pairs):
    """Layers in turn and all at once, on as many networks."""
    found = []
    for model, (turn, once) in zip(("lstm", "gru", "nbeats"), pairs, strict=False):
        found += [dense(model), *(line(model, "statistical_quantization", wape, 100, "16", f"sigma-{how}-codebook")
                                  for how, wape in (("forward", turn), ("independent", once)))]
    return collected(*found)


@pytest.mark.parametrize("pairs, told, why", [
    ([(0.10, 0.12), (0.10, 0.12)], HOLDS, ""), ([(0.10, 0.12), (0.12, 0.10)], PARTLY, ""),
    ([(0.12, 0.10), (0.12, 0.10)], FAILS, ""), ([(0.1, 0.1)], UNTESTABLE, "undecided"), ([], UNTESTABLE, "rows"),
])
def test_the_verdict_follows_from_the_rows(pairs, told, why):
    rows = sequence(*pairs) if pairs else collected(dense())
    one = answer(27, rows)
    assert (one.verdict, one.why, len(one.cases)) == (told, why, len(pairs))
    for case in one.cases:
        assert set(case.rows + case.reference) <= set(rows.row_id) and case.low <= case.delta <= case.high
        assert "forward" in case.rows[0] and "independent" in case.reference[0]


def test_seeds_are_paired():
    """A control in one seed is held against the technique in that seed alone."""
    cut = {"level": "0.5", "variant": "l2-float32"}
    rows = collected(*(dense(seed=seed) for seed in (0, 1)),
                     *(line("lstm", "channel_pruning", 0.1, seed=seed, **cut) for seed in (0, 1)),
                     line("lstm", "channel_pruning", 0.2, role="control", control="random", **cut))  # fmt: skip
    case = next(case for case in answer(16, rows).cases if case.what == "by_chance")
    assert case.rows == ("d/lstm/channel_pruning/0.5/l2-float32/s0",) and len(case.reference) == 1
    assert case.says == FOR and case.delta == pytest.approx(-0.5, abs=0.01)


def test_fewer_parameters_that_err_more_speak_against_dense_connections():
    few = collected(dense("densenet", 0.10, 500), dense("resnet_plain", 0.10, 1000))
    assert answer(8, few).verdict == HOLDS
    assert answer(8, collected(dense("densenet", 0.13, 500), dense("resnet_plain", 0.10, 1000))).verdict == FAILS
    assert answer(8, collected(dense("densenet", 0.10, 2000), dense("resnet_plain", 0.10, 1000))).verdict == FAILS


def test_skips_are_held_against_the_plain_network_of_their_depth():
    def nets(with_skips, plain, deep_skips, deep_plain):
        return collected(dense("resnet_plain", with_skips), dense("plain_net", plain), dense("resnet_deep", deep_skips),
                         dense("plain_deep", deep_plain))  # fmt: skip

    assert answer(7, nets(0.10, 0.12, 0.09, 0.12)).verdict == HOLDS
    assert answer(7, nets(0.12, 0.10, 0.13, 0.10)).verdict == FAILS
    mixed = answer(7, nets(0.10, 0.12, 0.11, 0.13))
    assert [(case.what, case.says) for case in mixed.cases] == [("skips", FOR), ("skips", FOR), ("deeper", AGAINST)]


def test_a_number_is_held_against_its_bound():
    assert answer(1, collected(dense(train_s=5.0))).verdict == FAILS
    assert answer(1, collected(dense(train_s=1e4, size=2_000_000))).verdict == HOLDS
    assert answer(1, collected(dense(train_s=1e4))).verdict == PARTLY, "dear, and small"


@pytest.mark.parametrize("counted, told", [(3.0, HOLDS), (2.0, FAILS)])
def test_a_formula_is_held_against_the_count(counted, told):
    saved = pd.DataFrame([["d", "squeezenet_late", "x", "pointwise", 3, 3.0, counted, 9.0]], columns=evidence.SAVED)
    assert answer(9, collected(dense()), saved=saved).verdict == told


def test_products_mislead_where_time_does_not_follow_them():
    def timed(times):
        return collected(*(dense(f"m{i}", 0.1 + 0.01 * i, 100 * (i + 1), latency_ms_p50=ms)
                           for i, ms in enumerate(times)))

    assert answer(12, timed([1, 2, 3, 4, 5])).verdict == FAILS and answer(12, timed([3, 1, 2, 5, 4])).verdict == HOLDS
    assert answer(12, timed([1, 2])).why == "rows", "two files have no order"


def test_what_no_experiment_could_show_has_numbers_and_no_verdict():
    place = {"dataset": "d", "row_id": "d/lstm/dense/8/float32/s0", "technique": "dense", "recommended": 1,
             "runtime": "torch", "bytes": 1, "latency_ms_p50": 0.5, "resident_bytes": 1e6, "run": "r"}
    devices = pd.DataFrame([place])
    for number in (24, 28):
        one = answer(number, collected(dense()), devices=devices)
        assert (one.verdict, one.why, len(one.cases)) == (UNTESTABLE, "nature", 1)
    assert one.cases[0].number == 500, "seconds for a million forecasts of half a millisecond"
    assert answer(6, collected(dense()), devices=devices).verdict == HOLDS


def test_every_claim_is_told_and_none_else():
    known = words.phrases(words.LANGUAGE)
    numbers = [str(claim.number) for claim in claims.CLAIMS]
    assert numbers == list(map(str, range(1, 29))) == list(known["claims"]) == list(known["tested"])
    could = {str(claim.number) for claim in claims.CLAIMS if claim.experiment}
    assert set(known["needs"]) == could and set(known["sources"]) == {claim.source for claim in claims.CLAIMS}
    assert set(known["answers"]) == set(evidence.VERDICTS)


def test_every_kind_of_case_has_words():
    text = (paths.PACKAGE / "results" / "claims.py").read_text(encoding="utf-8")
    assert {name for name in words.phrases(words.LANGUAGE)["cases"] if f'"{name}"' not in text} == set()


def test_an_empty_study_has_an_answer_to_everything():
    found = claims.answers(Evidence(results.typed(pd.DataFrame())))
    assert {one.verdict for one in found} == {UNTESTABLE} and claims.listed(found).empty


def test_networks_cut_for_time_are_quicker_and_no_worse_than_those_cut_for_products():
    def cut(wape, ms):
        return [line("lstm", "netadapt", w, 500, "0.5", f"{unit}-float32", latency_ms_p50=t)
                for unit, w, t in (("ms", wape, ms), ("macs", 0.1, 2.0))]  # fmt: skip

    assert answer(14, collected(dense(), cut(0.1, 1.0)[0])).verdict == UNTESTABLE, "nothing to be held against"
    assert answer(14, collected(dense(), *cut(0.1, 1.0))).verdict == HOLDS
    assert answer(14, collected(dense(), *cut(0.11, 1.0))).verdict == FAILS, "quicker, but a tenth worse"
    assert answer(14, collected(dense(), *cut(0.1, 2.0))).verdict == FAILS, "as slow"
