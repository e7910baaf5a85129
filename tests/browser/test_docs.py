"""The documentation of the API in the browser."""

import re

from playwright.sync_api import Browser, expect


def test_the_documentation_is_complete_and_comes_from_here(browser: Browser, scripted_url: str) -> None:
    page = browser.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{scripted_url}/docs")
    operation = page.locator(".opblock").filter(
        has=page.get_by_text("POST", exact=True),
        has_text=re.compile(r"/api/conversations/\W?\{conversation_id\}\W?/turns(?!/)"),
    )
    expect(operation).to_have_count(1)
    operation.get_by_role("button").first.click()
    expect(operation).to_contain_text("idempotency-key")
    documented = {
        (method, path)
        for path, operations in page.request.get(f"{scripted_url}/openapi.json").json()["paths"].items()
        for method in operations
    }
    expect(page.locator(".opblock")).to_have_count(len(documented))
    assert [url for url in requests if not url.startswith((scripted_url + "/", "data:"))] == []
    assert complaints == []
    page.close()
