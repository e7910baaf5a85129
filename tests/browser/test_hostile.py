"""What a model or a person writes runs nothing and loads nothing. `new_talk` watches for requests and dialogs."""

import re
from itertools import chain
from typing import Any

from playwright.sync_api import Route, expect

from tests.support.browser.hostile import HOSTILE, RUN
from tests.support.browser.talk import Talk
from tests.support.puppet_model import PuppetModel

END = "That was all."
# Whatever an input leaves open ends here, and does not hide the next one.
BETWEEN = "\n\n</script></style></textarea></pre> --> ?> ]]>\n\n"
PIECE_CHARACTERS = 900  # cuts inputs in two at many places, and leaves the page time to draw between them
HARM = f"<img src=x onerror='{RUN}'> **not bold** <script>{RUN}</script>"


def words(text: str) -> set[str]:
    return set(text.split())


TAGS = words("a blockquote br code del div em h3 h4 h5 h6 hr li ol p pre span strong table tbody td th thead tr ul")
ATTRIBUTES = words("align class href rel start tabindex target title")
# What KaTeX makes of a formula: MathML, which can neither load nor run.
FORMULA_TAGS = words("""
    annotation math menclose mfrac mi mn mo mover mpadded mphantom mroot mrow ms mspace msqrt mstyle msub msubsup msup
    mtable mtd mtext mtr munder munderover semantics
""")
FORMULA_ATTRIBUTES = words("""
    accent accentunder columnalign columnlines columnspacing depth display displaystyle encoding fence form height
    largeop linebreak linethickness lspace mathbackground mathcolor mathsize mathvariant maxsize minsize notation
    movablelimits rowlines rowspacing rspace scriptlevel separator stretchy symmetric voffset width xmlns
""")

# Of all there is in a reply, only the tools of code blocks are the page's own.
LOOK = """replies => {
  const found = { tags: new Set(), attributes: new Set(), formulaTags: new Set(), formulaAttributes: new Set() };
  found.links = [];
  for (const element of replies.flatMap(reply => [...reply.querySelectorAll("*")])) {
    if (element.closest(".block-tools")) continue;
    const isFormula = element.namespaceURI !== "http://www.w3.org/1999/xhtml";
    (isFormula ? found.formulaTags : found.tags).add(element.localName);
    for (const name of element.getAttributeNames()) (isFormula ? found.formulaAttributes : found.attributes).add(name);
    if (element.localName === "a") found.links.push(
      ["href", "rel", "target"].map(name => element.getAttribute(name)).concat(element.protocol));
  }
  return Object.fromEntries(Object.entries(found).map(([name, values]) => [name, [...values]]));
}"""


def test_there_are_enough_hostile_inputs() -> None:
    inputs = list(chain.from_iterable(HOSTILE.values()))
    assert len(inputs) >= 200
    assert len(set(inputs)) == len(inputs)
    assert not [text for text in inputs if re.search(r"\n\s*\n", text)]


def test_two_hundred_hostile_inputs_run_and_load_nothing(puppet_talk: Talk, model: PuppetModel) -> None:
    """While they stream, and as finished messages."""
    groups = {name: BETWEEN.join((*inputs, END)) for name, inputs in HOSTILE.items()}
    for name, text in groups.items():
        puppet_talk.send(name)
        reply = model.next_reply()
        for start in range(0, len(text), PIECE_CHARACTERS):
            reply.say(text[start : start + PIECE_CHARACTERS])
        expect(puppet_talk.texts.last).to_contain_text(END)
        check_harmless(puppet_talk)
        reply.end()
        puppet_talk.wait_for_end()
    puppet_talk.reload()
    expect(puppet_talk.texts).to_have_count(len(groups))
    expect(puppet_talk.texts.last).to_contain_text(END)
    check_harmless(puppet_talk)
    # Shown to the reader as the model wrote it, and not hidden from them.
    expect(puppet_talk.texts.first).to_contain_text(f"<script>{RUN}</script>")
    # Under the eyes and fingers of a reader as well: what opens on focus or on the way of the pointer.
    puppet_talk.page.locator(".scroller").evaluate("(scroller) => scroller.scrollTo(0, 0)")
    for link in puppet_talk.texts.locator("a").all()[:5]:
        link.hover()
        link.focus()
    check_harmless(puppet_talk)
    assert puppet_talk.page.url.startswith(puppet_talk.url)


def check_harmless(talk: Talk) -> None:
    found: dict[str, Any] = talk.texts.evaluate_all(LOOK)
    assert set(found["tags"]) <= TAGS
    assert set(found["attributes"]) <= ATTRIBUTES
    assert set(found["formulaTags"]) <= FORMULA_TAGS
    assert set(found["formulaAttributes"]) <= FORMULA_ATTRIBUTES
    for href, rel, target, protocol in found["links"]:
        assert re.match(r"(?:https?://|mailto:)", href, re.IGNORECASE), href
        assert (rel, target) == ("noopener noreferrer nofollow", "_blank")
        assert protocol in ("http:", "https:", "mailto:")
    assert talk.page.evaluate("typeof window.harmed") == "undefined"
    assert talk.troubles == []


def test_hostile_names_and_texts_are_shown_as_they_were_written(talk: Talk) -> None:
    """A message, a title, an excerpt of the search, a persona, a model, an error, the account of what was sent."""
    talk.page.route("**/api/start", poison)
    talk.reload()
    talk.say(HARM)
    own = talk.own.locator(".own-text")
    expect(own).to_have_text(HARM)
    expect(own.locator("*")).to_have_count(0)
    # The message is the title as well.
    expect(talk.page.get_by_role("heading", level=1)).to_contain_text("<img src=x")
    expect(talk.items).to_contain_text("<img src=x")
    expect(talk.page.get_by_label("Persona").locator("option").first).to_contain_text(HARM)
    expect(talk.page.locator(".model-label")).to_have_text(HARM)
    expect(talk.replies).to_have_accessible_name(HARM)
    expect(talk.page.locator(".avatar")).to_have_text(HARM)
    talk.page.get_by_role("button", name="What was sent").click()
    expect(talk.page.locator(".sent-row").last).to_contain_text("<img src=x")
    talk.page.get_by_role("searchbox").fill("not bold")
    match = talk.page.locator(".found-match").first
    expect(match).to_contain_text("**not bold** <script>")
    expect(match.locator("mark")).to_have_text("not bold")
    expect(match.locator(":not(mark)")).to_have_count(0)
    talk.page.keyboard.press("Escape")
    talk.page.route(
        "**/turns", lambda route: route.fulfill(status=422, json={"code": "strange", "detail": HARM, "status": 422})
    )
    talk.send("refused")
    expect(talk.page.locator(".trouble p")).to_have_text(HARM)
    assert talk.page.locator("img[onerror], script:not([src])").count() == 0
    assert talk.page.evaluate("typeof window.harmed") == "undefined"


def poison(route: Route) -> None:
    """Puts harm into what the server says of personas and models."""
    answer = route.fetch().json()
    for role in answer["roles"]["roles"].values():
        role.update(dict.fromkeys(("name", "icon", "welcome"), HARM))
    for model in answer["models"]["models"]:
        model.update(dict.fromkeys(("name", "note"), HARM))
    route.fulfill(json=answer)


def test_the_page_can_make_no_html_but_its_own(talk: Talk) -> None:
    refused = talk.page.evaluate(
        "() => { try { document.body.innerHTML = '<b>'; return false } catch (error) { return error.name } }"
    )
    assert refused == "TypeError"
    talk.troubles.clear()  # the refusal is logged
