"""The page with the help texts of all terms."""

from fastapi import APIRouter, Response

from console.web.auth import Viewer
from console.web.help_on_page import help_id
from payments.help_texts import Topic, help_texts

router = APIRouter(include_in_schema=False)


@router.get("/help")
def show(context: Viewer) -> Response:
    """Show what each status, reason, exception and balancing term means, and what to do about it."""
    topics = [(topic, [(help_id(topic, code), text) for code, text in help_texts(topic).items()]) for topic in Topic]
    return context.page("help.html", topics=topics)
