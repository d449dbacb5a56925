"""Authentication and authorization: the session or token of a request, and the right that each page requires."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData

from config.settings import Settings
from console.web.context import RequestContext, app_state
from console.web.cookies import cookie_name
from console.web.csrf import check_csrf_token
from console.web.errors import LoginRequiredError, PageError, capitalized
from console.web.origins import SAFE_METHODS
from console.web.strictness import check_names
from payments.access import authentication
from payments.access.rights import Right
from payments.store.db.isolation import AUTHENTICATION

SESSION_COOKIE = "payments_session"
NUL_SENTENCE = "contains a character that cannot be stored (NUL). Remove it"
"""The error for a text with a NUL character."""


async def read_form(request: Request) -> FormData:
    """Return the fields of a request's form; without a form, no fields. Raises PageError (422) for a NUL character."""
    if request.method in SAFE_METHODS:
        return FormData()
    form = await request.form()
    for name, value in form.multi_items():
        if isinstance(value, str) and "\0" in value:
            raise PageError(422, capitalized(f"{name}: {NUL_SENTENCE}."), "Correct it and try again.")
    return form


FormFields = Annotated[FormData, Depends(read_form)]


class RequireRight:
    """Dependency that requires a right of the request's user. A test checks that every page requires a right."""

    def __init__(self, right: Right) -> None:
        self.right = right

    def __call__(self, request: Request, form: FormFields) -> RequestContext:
        """Return the context of the request.

        Raises LoginRequiredError without a valid session or token. Raises PageError 403 for a wrong CSRF token or a
        user without the right. Raises PageError 422 for a parameter or field that the page does not read.
        """
        app = app_state(request)
        now = app.clock()
        token, kind = _credentials(request, app.settings)
        with app.transaction(AUTHENTICATION) as tx:
            user = authentication.authenticate(tx, token, kind, now) if token else None
        if user is None:
            raise LoginRequiredError
        context = RequestContext(app, request, user, token, kind, now)
        # The error page shows the navigation of this user.
        request.state.context = context
        if kind == "session" and request.method not in SAFE_METHODS:
            check_csrf_token(request, form, token)
        if not user.may(self.right):
            raise PageError(
                403,
                f"Your role, {user.role}, does not include the right to {self.right.phrase}.",
                "Ask an administrator if you need it.",
            )
        check_names(request, form)
        return context


Viewer = Annotated[RequestContext, Depends(RequireRight(Right.VIEW))]
Requeuer = Annotated[RequestContext, Depends(RequireRight(Right.REQUEUE))]
Editor = Annotated[RequestContext, Depends(RequireRight(Right.EDIT))]
Configurer = Annotated[RequestContext, Depends(RequireRight(Right.CONFIGURE))]
Exporter = Annotated[RequestContext, Depends(RequireRight(Right.EXPORT))]
Administrator = Annotated[RequestContext, Depends(RequireRight(Right.ADMINISTER))]
"""The contexts that pages declare; each requires its right."""


def _credentials(request: Request, settings: Settings) -> tuple[str, str]:
    """Return a request's secret and its kind: `token` for a bearer token, `session` for the session cookie."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.casefold() == "bearer" and token:
        return token.strip(), "token"
    return request.cookies.get(cookie_name(settings, SESSION_COOKIE), ""), "session"
