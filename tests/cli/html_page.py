"""Reading a page that qtz writes: its tags, its links, and the data inside."""

import html.parser


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open_tags, self.ids, self.links, self.data, self.in_data = [], [], [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.open_tags.append(tag)
        named = dict(attributes)
        self.ids.append(named.get("id"))
        self.in_data = named.get("id") == "data"
        self.links += [value for name, value in attributes if name in ("src", "href", "action", "srcset")]

    def handle_endtag(self, tag):
        self.in_data = False

    def handle_data(self, text):
        if self.in_data:
            self.data += text


def assert_self_contained(test, text):
    """`test` is a unittest.TestCase. Nothing comes from elsewhere, and the only scripts are the data and our own."""
    page = Page(text)
    test.assertEqual(page.links, [])
    test.assertNotRegex(text, r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)")
    test.assertEqual(page.open_tags.count("script"), 2)
    return page
