"""Newsletter: users connect their Salesforce through Gatepost, and whoever signs up becomes a Contact there.

GATEPOST_URL is where Gatepost is, and GATEPOST_API_KEY a key for it: docs/quickstart.md says how to make one.
APP_URL is this application's own address. It needs Python 3.8 or later, and nothing else.
"""
import json
import os
import secrets
import sys
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlsplit
from urllib.request import Request, urlopen

GATEPOST_URL, GATEPOST_API_KEY = os.environ["GATEPOST_URL"], os.environ["GATEPOST_API_KEY"]
APP_URL = os.environ.get("APP_URL", "http://127.0.0.1:3000")
TENANTS = {"john": "contoso", "mary": "contoso"}  # of the users; your own log-in knows them, and asks for a password
SESSIONS = {}  # by the secret in the browser's cookie; they end with this process


class Failure(Exception):
    """An error with the status that it is answered with; code and retry_after are Gatepost's."""

    def __init__(self, status, text, code=None, retry_after=None):
        super().__init__(text)
        self.status, self.code, self.retry_after = status, code, retry_after


def call(method, url, token, body):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with urlopen(Request(url, json.dumps(body).encode(), headers, method=method), timeout=60) as answer:
        return json.load(answer)


def gatepost(method, path, body):
    try:
        return call(method, f"{GATEPOST_URL}/api/v1{path}", GATEPOST_API_KEY, body)
    except HTTPError as err:
        problem = json.load(err)
        raise Failure(err.code, problem["detail"], problem["code"], err.headers["Retry-After"]) from None


# Whose Salesforce is meant is told by the session alone, never by what a request says.
def whose(session):
    return {"service": "sfdc", "tenant": session["tenant"], "user": session["user"]}


# When Salesforce refuses the token, a newer one is got, and the Contact is sent again.
def create_contact(session, contact):
    c = gatepost("POST", "/token", whose(session))
    contacts = "/services/data/v64.0/sobjects/Contact"
    try:
        return call("POST", c["native"]["instance_url"] + contacts, c["accessToken"], contact)
    except HTTPError as err:
        if err.code != 401:
            raise
    c = gatepost("POST", "/token", {**whose(session), "refused": c["generation"]})
    return call("POST", c["native"]["instance_url"] + contacts, c["accessToken"], contact)


def form(action, button, fields=""):
    return f'<form method="post" action="{action}">{fields}<button>{button}</button></form>'


LOG_IN = form("/login", "Log in", '<label>User <input name="user" value="john"></label>')
SIGN_UP = form("/newsletter/signup", "Subscribe", '<label>E-mail <input type="email" name="email"></label>')
CONNECT, RECONNECT = (form("/integrations/sfdc/connect", button) for button in ("Connect", "Reconnect"))
DISCONNECT = form("/integrations/sfdc/disconnect", "Disconnect")


# What people can do themselves about an error of Gatepost's; None when there is nothing.
def advice(err):
    return {
        "not_found": f"<p>Salesforce is not connected.</p>{CONNECT}",
        "reauthorize": f"<p>{escape(str(err))}</p>{RECONNECT}{DISCONNECT}",
    }.get(err.code)


def integrations(session, fields):
    try:
        url = gatepost("POST", "/token", whose(session))["native"]["instance_url"]
    except Failure as err:
        if not advice(err):
            raise
        return 200, advice(err)
    return 200, f'<p>Connected to {escape(url)}.</p>{RECONNECT}{DISCONNECT}<a href="/newsletter/signup">Try a sign-up</a>'


def connect(session, fields):
    state = secrets.token_urlsafe()
    asked = {**whose(session), "return_to": f"{APP_URL}/connected", "state": state, "redirect": True}
    begun = gatepost("POST", "/authorizations", asked)
    session["begun"] = {"id": begun["id"], "state": state}
    return 303, begun["url"]


def connected(session, fields):
    begun = session.get("begun")
    if not begun or begun["state"] != fields.get("state"):
        raise Failure(403, "You didn’t begin this here, so nothing was connected.")
    del session["begun"]
    if "error" in fields:
        raise Failure(403, f"Salesforce was not connected: {fields['error']}.")
    own = {"code": fields.get("code", ""), "tenant": session["tenant"], "user": session["user"]}
    gatepost("POST", f"/authorizations/{begun['id']}/complete", own)
    return 303, "/integrations"


def disconnect(session, fields):
    gatepost("DELETE", "/identities", whose(session))
    return 303, "/integrations"


def sign_up(session, fields):
    contact = create_contact(session, {"LastName": "NA", "Email": fields.get("email")})
    return 200, f"<p>Thank you for signing up to the newsletter! In Salesforce you are {escape(contact['id'])}.</p>"


ROUTES = {
    "GET /": integrations,
    "GET /integrations": integrations,
    "POST /integrations/sfdc/connect": connect,
    "GET /connected": connected,
    "POST /integrations/sfdc/disconnect": disconnect,
    "GET /newsletter/signup": lambda session, fields: (200, SIGN_UP),
    "POST /newsletter/signup": sign_up,
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(urlsplit(self.path).query)

    def do_POST(self):
        self.answer(self.rfile.read(min(int(self.headers["Content-Length"] or 0), 10_000)).decode())

    def answer(self, fields):
        try:
            self.send(*self.route(f"{self.command} {urlsplit(self.path).path}", dict(parse_qsl(fields))))
        except Failure as err:
            self.fail(err)
        except (OSError, ValueError, KeyError) as err:  # no answer, or one that isn't what it should be
            self.fail(Failure(502, f"{type(err).__name__} {getattr(err, 'code', '')}"))

    def route(self, name, fields):
        cookies = dict(c.strip().split("=", 1) for c in self.headers.get("Cookie", "").split(";") if "=" in c)
        session = SESSIONS.get(cookies.get("newsletter"))
        if name == "GET /login":
            return 200, LOG_IN
        if name == "POST /login":
            return self.log_in(fields.get("user"))
        if session is None:
            return 303, "/login"
        if name not in ROUTES:
            raise Failure(404, "There is no such page.")
        return ROUTES[name](session, fields)

    def log_in(self, user):
        if user not in TENANTS:
            raise Failure(403, "There is no such user.")
        secret = secrets.token_urlsafe()
        SESSIONS[secret] = {"user": user, "tenant": TENANTS[user]}
        return 303, "/integrations", {"Set-Cookie": f"newsletter={secret}; Path=/; HttpOnly; SameSite=Lax" + "; Secure" * APP_URL.startswith("https:")}

    def fail(self, err):
        told = err.status in (403, 404, 409, 429, 503)  # else only whoever runs this can do something about it
        if not told:
            print(err.code or err, file=sys.stderr)
        text = str(err) if told else "That didn’t work. Please try again later."
        headers = {"Retry-After": err.retry_after} if err.retry_after else {}
        self.send(err.status if told else 502, advice(err) or f'<p>{escape(text)}</p><a href="/integrations">Back</a>', headers)

    def send(self, status, text, headers={}):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status == 303:
            self.send_header("Location", text)
            text = ""
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(f'<!doctype html><html lang="en"><title>Newsletter</title><h1>Newsletter</h1>{text}'.encode())

    def log_request(self, code="-", size="-"):  # without the query, which holds codes
        self.log_message("%s %s %s", self.command, urlsplit(self.path).path, code)


if __name__ == "__main__":
    address = urlsplit(APP_URL)
    server = ThreadingHTTPServer((address.hostname, address.port), Handler)
    print(f"Newsletter: {APP_URL}", flush=True)
    server.serve_forever()
