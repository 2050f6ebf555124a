"""The roles by which pages speak about claims.

- {claim}`hfocu-theorem-1` names a claim and leads to its line on the scorecard
- {verdict}`reproduced <hfocu-theorem-1>` states a verdict; the build fails if the records do not

Verdicts are written in no other way: tests/book/page_faults.py refuses the words elsewhere.
"""

import functools

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import ReferenceRole

from unlearning.companion import claims, show, verdicts

logger = logging.getLogger(__name__)


@functools.cache
def all_verdicts():
    return verdicts.all_verdicts()


def score_line(role, claim):
    """Returns the address of the claim's line on the scorecard."""
    page = role.env.app.builder.get_relative_uri(role.env.docname, "scorecard")
    return f"{page}#score-{claim}"


class ClaimRole(ReferenceRole):
    def run(self):
        try:
            claim = claims.load()[self.target]
        except ValueError as error:
            return [], [self.inliner.reporter.error(str(error), line=self.lineno)]
        paper = claims.load().papers[claim.paper]["short"]
        text = self.title if self.has_explicit_title else f"{claim.place} ({paper})"
        return [nodes.reference("", text, refuri=score_line(self, claim.id))], []


class VerdictRole(ReferenceRole):
    def run(self):
        found = all_verdicts().get(self.target)
        if found is None:
            message = f"verdict: expected the id of a claim, got {self.target!r}"
            return [], [self.inliner.reporter.error(message, line=self.lineno)]
        if found.state != self.title:
            logger.warning(
                "verdict on %s: the page says %r, the records say %r",
                self.target,
                self.title,
                found.state,
                location=self.get_location(),
            )
        link = f'<a class="verdict-link" href="{score_line(self, self.target)}">'
        return [nodes.raw("", f"{link}{show.badge(found)}</a>", format="html")], []


def setup(app):
    app.add_role("claim", ClaimRole())
    app.add_role("verdict", VerdictRole())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
