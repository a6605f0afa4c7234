"""A report in Chromium: marks, counts, corrections, keys, print and width."""

import base64
import dataclasses
import shutil
import time
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from drawn_results import read_drawn, smear
from scipy.stats import binomtest

from malariafuse.patients import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        None in (CHROMIUM, DRIVER, find_spec("selenium")),
        reason="needs Chromium, its driver, and the extra browser",
    ),
    # Of sockets that selenium leaves to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

PATIENT = 'Łucja "L", <b>'

# Ratios of contrast of all texts to what is behind them, as WCAG 2 defines them.
CONTRAST = """
const parts = (color) => color.match(/[\\d.]+/g).map(Number);
const light = (color) => parts(color).slice(0, 3).map((c) => c / 255)
  .map((c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
const behind = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const color = getComputedStyle(e).backgroundColor;
    if (parts(color)[3] !== 0) return color;
  }
};
const found = {};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
  const [a, b] = [getComputedStyle(element).color, behind(element)].map(light)
    .sort((x, y) => y - x);
  found[element.tagName + "." + element.className] = (a + .05) / (b + .05);
}
return found;
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=DRIVER)
    started = webdriver.Chrome(options=options, service=service)
    yield started
    started.quit()


@pytest.fixture(scope="module")
def result():
    """Of 24 red cells, 5 are counted."""
    return dataclasses.replace(read_drawn(smear(3), smear(2)), patient=PATIENT)


class Report:
    """A page, and what a reviewer does with it."""

    def __init__(self, driver, file):
        self.driver, self.file = driver, file
        driver.get(file.as_uri())

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def live(self, name):
        return self.find(f".bar [data-live={name}]").text

    def marks(self):
        return [card.get_attribute("data-mark") for card in self.all(".cell-card")]

    def click(self, place, mark):
        card = self.all(".cell-card")[place]
        self.run("arguments[0].scrollIntoView({block: 'center'})", card)
        card.find_element("css selector", f'input[value="{mark}"]').click()

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def focus(self, place):
        self.run(
            "document.querySelectorAll('.cell-card')[arguments[0]]"
            ".querySelector('input:checked').focus()",
            place,
        )

    def focused(self):
        """Return the place of the cell that has the focus."""
        return self.run(
            "return [...document.querySelectorAll('.cell-card')]"
            ".indexOf(document.activeElement.closest('.cell-card'))"
        )

    def errors(self):
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture
def report(driver, result, tmp_path):
    file = write_report(result, tmp_path / "report.html")
    page = Report(driver, file)
    page.run("localStorage.clear()")
    page = Report(driver, file)
    yield page
    assert page.errors() == []


def expect_count(report, positive, n=24):
    """Compare what the page shows with SciPy's interval."""
    interval = binomtest(positive, n).proportion_ci(method="wilson")
    low, high = interval.low, interval.high
    assert report.live("count") == f"{positive} of {n} red cells"
    assert report.live("percent") == f"{100 * positive / n:.2f} %"
    assert report.live("interval") == (
        f"95 % interval {100 * low:.2f} to {100 * high:.2f} %"
    )
    density = [f"{float(f'{5e6 * s:.3g}'):,.0f}" for s in (positive / n, low, high)]
    assert report.live("density") == (
        f"{density[0]} parasites/µl ({density[1]} to {density[2]})"
    )
    assert report.find("#result [data-live=percent]").text == report.live("percent")


def expect_no_count(report):
    """The number of counted cells alone would look like a result of a review."""
    assert report.live("percent") == "\N{EN DASH}"
    assert report.live("interval") == "Not reviewed yet"


class TestCount:
    def test_before_any_mark(self, report):
        expect_no_count(report)
        assert report.live("progress") == "0 of 24 cells reviewed, 0 of 5 counted ones"

    def test_rejected_and_found_by_pointer(self, report):
        report.click(0, "no parasite")
        expect_count(report, 4)
        report.click(7, "parasite")
        expect_count(report, 5)
        report.click(8, "parasite")
        expect_count(report, 6)
        assert report.live("progress") == "3 of 24 cells reviewed, 1 of 5 counted ones"
        report.click(0, "not reviewed")
        expect_count(report, 7)

    def test_by_keys(self, report):
        report.focus(0)
        report.press("1", "2", "2", "0", "1")
        assert report.focused() == 5
        assert report.marks()[:6] == [
            "parasite",
            "no parasite",
            "no parasite",
            "not reviewed",
            "parasite",
            "not reviewed",
        ]
        expect_count(report, 3)

    def test_arrows_go_from_cell_to_cell(self, report):
        from selenium.webdriver.common.keys import Keys

        report.focus(0)
        report.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
        assert report.focused() == 1
        assert set(report.marks()) == {"not reviewed"}
        report.press(Keys.ARROW_UP)  # as in every group of radio buttons
        assert report.marks()[1] == "no parasite"

    def test_last_cell_keeps_the_focus(self, report):
        report.focus(23)
        report.press("2")
        assert report.focused() == 23
        assert report.marks()[23] == "no parasite"

    def test_all_counted_cells_reviewed(self, report):
        report.focus(0)
        report.press(*"11111")
        assert report.live("progress") == (
            "5 of 24 cells reviewed, all 5 counted ones among them"
        )

    def test_none_and_all(self, report):
        report.focus(0)
        report.press(*"2" * 24)
        expect_count(report, 0)
        report.focus(0)
        report.press(*"1" * 24)
        expect_count(report, 24)

    @pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (3, 870), (18, 870)])
    def test_interval_of_other_counts(self, report, k, n):
        z = report.run("return data.z")
        interval = binomtest(k, n).proportion_ci(method="wilson")
        assert report.run("return wilson(...arguments)", k, n, z) == pytest.approx(
            [interval.low, interval.high], abs=1e-12
        )


class TestCorrections:
    @pytest.fixture
    def saved(self, report, tmp_path):
        """Save marks as a reviewer does, and return the file."""
        report.driver.execute_cdp_cmd(
            "Browser.setDownloadBehavior",
            {"behavior": "allow", "downloadPath": str(tmp_path)},
        )
        report.click(0, "no parasite")
        report.click(9, "parasite")
        report.find("#save").click()
        deadline = time.monotonic() + 20
        while not (files := list(tmp_path.glob("*_review.csv"))):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return files[0]

    def test_saved_file(self, saved, result):
        table = pd.read_csv(saved)
        suspicious = result.suspicious()
        box = ["x", "y", "width", "height"]
        np.testing.assert_array_equal(table[box], suspicious[box])
        np.testing.assert_allclose(table["probability"], suspicious["probability"])
        assert table["counted"].tolist() == suspicious["counted"].tolist()
        assert set(table["patient"]) == {PATIENT}
        assert set(table["photo"]) == {"photos[0]", "photos[1]"}
        assert table["review"].value_counts().to_dict() == {
            "not reviewed": 22,
            "parasite": 1,
            "no parasite": 1,
        }
        assert table["review"][[0, 9]].tolist() == ["no parasite", "parasite"]

    def test_loaded_again(self, saved, report):
        report.run("localStorage.clear()")
        again = Report(report.driver, report.file)
        expect_no_count(again)
        again.click(0, "parasite")
        again.find("#load").send_keys(str(saved))
        wait_for(lambda: again.find("#message").text == "24 cells were loaded.")
        assert again.marks()[0] == "no parasite"
        assert again.marks()[9] == "parasite"
        expect_count(again, 5)

    def test_saved_by_pandas(self, saved, report):
        """Another program writes other quotes, line ends and columns."""
        table = pd.read_csv(saved)
        table["review"] = "no parasite"
        table["note"] = 'says "no",\nand more'
        table.to_csv(saved, index=False)
        report.find("#load").send_keys(str(saved))
        wait_for(lambda: report.find("#message").text == "24 cells were loaded.")
        expect_count(report, 0)

    def test_of_another_patient(self, saved, report):
        pd.read_csv(saved).assign(patient="Ada").to_csv(saved)
        report.find("#load").send_keys(str(saved))
        wait_for(lambda: "24 rows are not" in report.find("#message").text)
        assert report.marks()[:2] == ["no parasite", "not reviewed"]

    def test_of_another_kind(self, report, tmp_path):
        file = tmp_path / "other.csv"
        file.write_text("name,age\nAda,36\n")
        report.find("#load").send_keys(str(file))
        wait_for(lambda: "it has no column patient" in report.find("#message").text)

    def test_marks_outlive_the_page(self, report):
        report.click(0, "no parasite")
        again = Report(report.driver, report.file)
        assert again.marks()[:2] == ["no parasite", "not reviewed"]
        expect_count(again, 4)

    def test_marks_of_another_report_are_its_own(self, report, result, tmp_path):
        report.click(0, "no parasite")
        other = dataclasses.replace(result, patient="Ada")
        file = write_report(other, tmp_path / "b.html")
        expect_no_count(Report(report.driver, file))

    def test_marks_are_cleared(self, report):
        report.click(0, "no parasite")
        report.find("#reset").click()
        report.driver.switch_to.alert.accept()
        assert set(report.marks()) == {"not reviewed"}
        expect_no_count(Report(report.driver, report.file))


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def view_of(svg):
    text = svg.parent.execute_script("return arguments[0].getAttribute('viewBox')", svg)
    return [float(number) for number in text.split()]


class TestPhotographs:
    def test_buttons_zoom(self, report):
        svg = report.find("#photo-0 .view")
        assert view_of(svg) == [0, 0, 400, 300]
        report.find("#photo-0 [data-do=in]").click()
        # 1.5 times as close, around the middle.
        assert view_of(svg) == pytest.approx([200 / 3, 50, 800 / 3, 200])
        report.find("#photo-0 [data-do=out]").click()
        assert view_of(svg) == pytest.approx([0, 0, 400, 300])
        report.find("#photo-0 [data-do=in]").click()
        report.find("#photo-0 [data-do=whole]").click()
        assert view_of(svg) == [0, 0, 400, 300]

    def test_keys_zoom_and_move(self, report):
        from selenium.webdriver.common.keys import Keys

        svg = report.find("#photo-0 .view")
        report.run("arguments[0].focus()", svg)
        report.press("+", Keys.ARROW_LEFT, Keys.ARROW_DOWN)
        left, top, *_ = view_of(svg)
        assert (left, top) == pytest.approx((200 / 3 - 800 / 24, 50 + 200 / 8))
        report.press(*[Keys.ARROW_RIGHT] * 9)
        assert view_of(svg)[0] == pytest.approx(400 - 800 / 3)  # not beyond the end
        report.press("0")
        assert view_of(svg) == [0, 0, 400, 300]

    def test_wheel_zooms_with_focus(self, report):
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

        svg = report.find("#photo-0 .view")
        report.run("arguments[0].scrollIntoView({block: 'center'})", svg)
        origin = ScrollOrigin.from_element(svg)
        report.run("arguments[0].focus({preventScroll: true})", svg)
        ActionChains(report.driver).scroll_from_origin(origin, 0, -200).perform()
        wait_for(lambda: view_of(svg)[2] < 400)

    def test_dragging_moves(self, report):
        from selenium.webdriver import ActionChains

        svg = report.find("#photo-0 .view")
        report.find("#photo-0 [data-do=in]").click()
        width = report.run("return arguments[0].clientWidth", svg)
        shown = min(width, report.run("return arguments[0].clientHeight", svg) * 4 / 3)
        actions = ActionChains(report.driver)
        actions.move_to_element(svg).click_and_hold().move_by_offset(20, 0)
        actions.move_by_offset(20, 0).release().perform()
        moved = 200 / 3 - view_of(svg)[0]
        assert moved == pytest.approx(40 * (800 / 3) / shown, rel=0.2)

    def test_two_fingers_zoom(self, report):
        svg = report.find("#photo-0 .view")
        report.run("arguments[0].scrollIntoView({block: 'center'})", svg)
        x, y = report.run(
            "const box = arguments[0].getBoundingClientRect();"
            "return [box.x + box.width / 2, box.y + box.height / 2]",
            svg,
        )
        for kind, reach in [("Start", 20), ("Move", 30), ("Move", 40), ("End", None)]:
            fingers = [] if reach is None else [(0, x - reach), (1, x + reach)]
            points = [{"x": at, "y": y, "id": finger} for finger, at in fingers]
            report.driver.execute_cdp_cmd(
                "Input.dispatchTouchEvent",
                {"type": f"touch{kind}", "touchPoints": points},
            )
        # Twice as far apart, twice as close.
        wait_for(lambda: view_of(svg)[2] == pytest.approx(200, rel=0.1))

    def test_outlines_are_hidden(self, report):
        outlines = report.find("#photo-0 .outlines")
        assert outlines.is_displayed()
        report.find("#photo-0 [data-do=outlines]").click()
        assert not outlines.is_displayed()

    def test_crop_leads_to_its_cell(self, report, result):
        """And back to its card."""
        cell = result.suspicious(1).iloc[0]
        report.find(".cell-card .crop").click()
        svg = report.find(f"#photo-{cell['photo']} .view")
        assert report.run("return document.activeElement === arguments[0]", svg)
        ring = report.find(f"#photo-{cell['photo']} .ring")
        middle = cell["x"] + cell["width"] / 2, cell["y"] + cell["height"] / 2
        for name, expected in zip(("cx", "cy"), middle, strict=True):
            assert float(ring.get_attribute(name)) == pytest.approx(expected, abs=2)
        assert "counted" in report.find(f"#photo-{cell['photo']} .about").text
        report.press("n")
        report.press("p")
        from selenium.webdriver.common.keys import Keys

        report.press(Keys.ENTER)
        assert report.focused() == 0

    def test_pointing_tells_the_probability(self, report):
        from selenium.webdriver import ActionChains

        path = report.find("#photo-0 path.cell")
        ActionChains(report.driver).move_to_element(path).perform()
        wait_for(
            lambda: report.find("#photo-0 .about").text.startswith("probability 0.")
        )

    def test_marks_show_in_the_photograph(self, report, result):
        report.click(0, "parasite")
        row = result.suspicious(1).index[0]
        path = report.find(f'.view path[data-row="{row}"]')
        assert "marked-yes" in path.get_attribute("class")


class TestLayout:
    @pytest.fixture(params=["light", "dark"])
    def scheme(self, driver, request):
        feature = {"name": "prefers-color-scheme", "value": request.param}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        yield request.param
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    def test_contrast(self, scheme, report):
        ratios = report.run(CONTRAST)
        assert len(ratios) > 20
        assert min(ratios.values()) >= 4.5, ratios
        page = report.run("return getComputedStyle(document.body).backgroundColor")
        assert (
            page == {"light": "rgb(245, 247, 249)", "dark": "rgb(18, 23, 29)"}[scheme]
        )

    @pytest.fixture(params=[390, 1280])
    def sized(self, driver, report, request):
        metrics = {"width": request.param, "height": 844, "deviceScaleFactor": 1}
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {**metrics, "mobile": request.param == 390},
        )
        yield Report(driver, report.file), request.param
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def test_nothing_is_wider_than_the_screen(self, sized):
        page, width = sized
        assert page.run("return window.innerWidth") == width
        assert page.run("return document.documentElement.scrollWidth") <= width

    def test_the_cell_in_focus_is_seen_as_a_whole(self, sized):
        page, _ = sized
        page.focus(0)
        for mark in "12" * 8:
            page.press(mark)
            covered, top, bottom = page.run(
                "const card = document.activeElement.closest('.cell-card');"
                "const top = card.getBoundingClientRect().top;"
                "const radio = document.activeElement.getBoundingClientRect();"
                "return [document.querySelector('.bar').getBoundingClientRect().bottom,"
                " top, radio.bottom]"
            )
            assert covered <= top
            assert bottom <= 844

    def test_print(self, driver, report):
        report.click(0, "parasite")
        pdf = driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})
        data = base64.b64decode(pdf["data"])
        assert data.startswith(b"%PDF")
        # The answer, two photographs, the cells, and the model.
        assert data.count(b"/Type /Page\n") == 5
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        try:
            assert not any(button.is_displayed() for button in report.all("button"))
            assert report.find(".cell-card .state").text == "parasite"
        finally:
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})

    def test_every_button_has_a_name(self, report):
        for control in report.all("button, input, .view, a"):
            assert control.accessible_name or not control.is_displayed()

    def test_no_cell(self, driver, tmp_path):
        with pytest.warns(UserWarning, match="cannot be judged"):
            empty = read_drawn(smear(0, n_cells=0))
        page = Report(driver, write_report(empty, tmp_path / "empty.html"))
        assert page.find("#result [data-live=count], #result [data-live=percent]").text
        assert page.errors() == []
