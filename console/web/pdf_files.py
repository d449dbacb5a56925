"""Send a page to print as a PDF file."""

from fastapi import Response

from console.reports.pdf import PDF_TYPE, Paper, write_pdf
from console.web.context import RequestContext


def send_pdf(context: RequestContext, paper: Paper) -> Response:
    """Return a page to print as a PDF file. Its name is the address of the page, such as `deposits-17.pdf`."""
    name = "-".join(context.request.url.path.split("/")[1:3])
    headers = {"Content-Disposition": f'inline; filename="{name}.pdf"'}
    return Response(write_pdf(paper), media_type=PDF_TYPE, headers=headers)


def printed_by(context: RequestContext) -> str:
    """Return the sentence about when and by whom a page is printed."""
    return f"Printed {context.now.astimezone(context.zone):%Y-%m-%d %H:%M} by {context.user.name}."
