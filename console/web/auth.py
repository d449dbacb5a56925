"""Authentication and authorization: the session or token of a request, and the right that each page requires."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData

from config.settings import Settings
from console.web.context import RequestContext, app_state
from console.web.cookies import cookie_name
from console.web.csrf import CSRF_FIELD, check_csrf_token, has_csrf_token
from console.web.errors import LoginRequiredError, PageError, PasswordChangeRequiredError, SentForm, capitalized
from console.web.origins import SAFE_METHODS, client_address, is_api_request, is_background, referring_page
from console.web.strictness import check_names
from payments.access import authentication
from payments.access.authentication import AuthenticatedUser, Credential, SessionUse
from payments.access.rights import Right
from payments.store.db.connection import Transaction
from payments.store.db.isolation import AUTHENTICATION_ACCESS

SESSION_COOKIE = "payments_session"
NUL_SENTENCE = "contains a character that cannot be stored (NUL). Remove it"
"""The error message for a text that contains a NUL character."""


async def read_form(request: Request) -> FormData:
    """Return the fields of the form in a request. Without a form, return no fields.

    Raises PageError (422) for a NUL character.
    """
    if request.method in SAFE_METHODS:
        return FormData()
    form = await request.form()
    for name, value in form.multi_items():
        if isinstance(value, str) and "\0" in value:
            raise PageError(422, capitalized(f"{name}: {NUL_SENTENCE}."), "Correct it and try again.")
    return form


FormFields = Annotated[FormData, Depends(read_form)]


class RequireRight:
    """Dependency that requires a right of the user. A test checks that every page has this dependency.

    With `with_any_password`, a user with a temporary password can also use the page. Otherwise, a call raises
    PasswordChangeRequiredError for such a user. It raises PageError (403) for a user without the right.
    """

    def __init__(self, right: Right, *, with_any_password: bool = False) -> None:
        self.right, self.with_any_password = right, with_any_password

    def __call__(self, request: Request, form: FormFields) -> RequestContext:
        """Check the request, and return its context.

        - Raises LoginRequiredError without a valid session or token.
        - Raises PasswordChangeRequiredError if the user has a temporary password.
        - Raises PageError (403) for a wrong CSRF token, or if the user does not have the right.
        - Raises PageError (422) for a parameter or field that the page does not read.
        """
        app = app_state(request)
        use, credential = session_use(request, app.clock()), _credential(request, app.settings)
        with app.transaction(AUTHENTICATION_ACCESS) as tx:
            known = authentication.authenticate(tx, credential, use) if credential.token else None
            sent = None if known else _sent_form(tx, request, form, credential)
        if known is None:
            raise LoginRequiredError(sent)
        context = RequestContext(app, request, known.user, credential.token, credential.kind, use.at)
        # The error page shows the navigation of this user.
        request.state.context = context
        if credential.kind == "session" and request.method not in SAFE_METHODS:
            check_csrf_token(request, form, credential.token)
        self._check_request(known)
        check_names(request, form)
        return context

    def _check_request(self, known: AuthenticatedUser) -> None:
        user = known.user
        if known.must_change_password and not self.with_any_password:
            raise PasswordChangeRequiredError
        if not user.may(self.right):
            raise PageError(
                403,
                f"Your role, {user.role}, does not include the right to {self.right.phrase}.",
                "Ask an administrator if you need it.",
            )


OwnAccount = Annotated[RequestContext, Depends(RequireRight(Right.VIEW, with_any_password=True))]
Viewer = Annotated[RequestContext, Depends(RequireRight(Right.VIEW))]
Requeuer = Annotated[RequestContext, Depends(RequireRight(Right.REQUEUE))]
Editor = Annotated[RequestContext, Depends(RequireRight(Right.EDIT))]
EntryPoster = Annotated[RequestContext, Depends(RequireRight(Right.POST_ENTRIES))]
DrawerCounter = Annotated[RequestContext, Depends(RequireRight(Right.COUNT_DRAWERS))]
DrawerCloser = Annotated[RequestContext, Depends(RequireRight(Right.CLOSE_DRAWERS))]
Depositor = Annotated[RequestContext, Depends(RequireRight(Right.MAKE_DEPOSITS))]
RefundApprover = Annotated[RequestContext, Depends(RequireRight(Right.APPROVE_REFUNDS))]
Configurer = Annotated[RequestContext, Depends(RequireRight(Right.CONFIGURE))]
Exporter = Annotated[RequestContext, Depends(RequireRight(Right.EXPORT))]
Operator = Annotated[RequestContext, Depends(RequireRight(Right.OPERATE))]
Administrator = Annotated[RequestContext, Depends(RequireRight(Right.ADMINISTER))]
"""A page declares its context with one of the types above. Each type requires one right of the user."""


def session_context(request: Request) -> RequestContext | None:
    """Return the context of a request, so that an error page can show the user's navigation.

    Returns None without a valid session or token, or if the database does not answer.
    """
    app = app_state(request)
    use, credential = session_use(request, app.clock()), _credential(request, app.settings)
    try:
        with app.transaction(AUTHENTICATION_ACCESS) as tx:
            known = authentication.authenticate(tx, credential, use) if credential.token else None
    except Exception:  # noqa: BLE001 (an error page must not fail in turn)
        return None
    return RequestContext(app, request, known.user, credential.token, credential.kind, use.at) if known else None


def session_use(request: Request, now: datetime) -> SessionUse:
    """Return how a request uses a session: the request's time and address, whether it is a refresh, the idle limit."""
    idle_limit = timedelta(minutes=app_state(request).settings.session_idle_minutes)
    return SessionUse(now, idle_limit, client_address(request), is_background=is_background(request))


def _credential(request: Request, settings: Settings) -> Credential:
    """Return the secret of a request and its kind: `token` for a bearer token, `session` for the session cookie."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.casefold() == "bearer" and token:
        return Credential(token.strip(), "token")
    return Credential(request.cookies.get(cookie_name(settings, SESSION_COOKIE), ""), "session")


def _sent_form(tx: Transaction, request: Request, form: FormData, credential: Credential) -> SentForm | None:
    """Return the form that was submitted with an expired session. For any other request, return None.

    The CSRF token of the form proves that a page of this session sent it. Passwords and files are left out.
    """
    page = referring_page(request)
    if credential.kind != "session" or not credential.token or not form or page is None or is_api_request(request):
        return None
    if not has_csrf_token(request, form, credential.token):
        return None
    name = authentication.find_user_of_expired_session(tx, credential.token)
    fields = tuple(
        (key, value) for key, value in form.multi_items() if isinstance(value, str) and not _is_secret_field(key)
    )
    return SentForm(name, page, request.url.path, fields) if name else None


def _is_secret_field(name: str) -> bool:
    return name == CSRF_FIELD or "password" in name
