// Newsletter: users connect their Salesforce through Gatepost, and whoever signs up becomes a Contact there.
// GATEPOST_URL is where Gatepost is, and GATEPOST_API_KEY a key for it: docs/quickstart.md says how to make one.
// APP_URL is this application's own address. SESSION_SECRET signs its cookies; without it a restart ends all sessions.
import { randomBytes } from 'node:crypto';
import express from 'express';
import session from 'express-session';
import jsforce from 'jsforce';

const secret = () => randomBytes(32).toString('hex');
const { GATEPOST_URL, GATEPOST_API_KEY, APP_URL = 'http://127.0.0.1:3000', SESSION_SECRET = secret() } = process.env;
const tenants = { john: 'contoso', mary: 'contoso' }; // of the users; your own log-in knows them, and asks for a password
const failure = (status, message, more) => Object.assign(new Error(message), { status, ...more });

async function gatepost(method, path, body) {
  const headers = { Authorization: `Bearer ${GATEPOST_API_KEY}`, 'Content-Type': 'application/json' };
  const res = await fetch(`${GATEPOST_URL}/api/v1${path}`, { method, headers, body: JSON.stringify(body) });
  const answer = await res.json();
  if (res.ok) return answer;
  throw failure(res.status, answer.detail, { code: answer.code, retryAfter: res.headers.get('Retry-After') });
}

// Whose Salesforce is meant is told by the session alone, never by what a request says.
const whose = ({ tenant, user }) => ({ service: 'sfdc', tenant, user });
const credential = (who, refused) => gatepost('POST', '/token', { ...whose(who), refused });

// When Salesforce refuses the token, a newer one is got, and the call sent again.
async function salesforce(who, call, refused) {
  const { native, accessToken, generation } = await credential(who, refused);
  return call(new jsforce.Connection({ instanceUrl: native.instance_url, accessToken })).catch((err) => {
    if (err.errorCode !== 'INVALID_SESSION_ID' || refused) throw err;
    return salesforce(who, call, generation);
  });
}

const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const page = (html) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>Newsletter</title><h1>Newsletter</h1>${html}`;
const form = (action, button, fields = '') => `<form method="post" action="${action}">${fields}<button>${button}</button></form>`;
const connect = (button) => form('/integrations/sfdc/connect', button), disconnect = form('/integrations/sfdc/disconnect', 'Disconnect');
// advice is what people can do themselves about an error of Gatepost's.
const advice = ({ code, message }) => ({
  not_found: `<p>Salesforce is not connected.</p>${connect('Connect')}`,
  reauthorize: `<p>${escape(message)}</p>${connect('Reconnect')}${disconnect}`,
})[code];
const user = '<label>User <input name="user" value="john"></label>', email = '<label>E-mail <input type="email" name="email"></label>';

const app = express();
const cookie = { sameSite: 'lax', secure: 'auto' }; // lax: other sites can't press the buttons
const sessions = { name: 'newsletter', secret: SESSION_SECRET, resave: false, saveUninitialized: false, proxy: true, cookie };
app.use(express.urlencoded({ extended: false }), session(sessions));
app.get('/login', (req, res) => res.send(page(form('/login', 'Log in', user))));
app.post('/login', (req, res, next) => req.session.regenerate((err) => {
  const user = req.body?.user;
  if (err || !Object.hasOwn(tenants, user)) return next(err ?? failure(403, 'There is no such user.'));
  Object.assign(req.session, { user, tenant: tenants[user] });
  res.redirect(303, '/integrations');
}));
app.use((req, res, next) => (req.session.user ? next() : res.redirect(303, '/login')));

app.get(['/', '/integrations'], async (req, res) => {
  const buttons = connect('Reconnect') + disconnect + '<a href="/newsletter/signup">Try a sign-up</a>';
  const connected = ({ native }) => `<p>Connected to ${escape(native.instance_url)}.</p>${buttons}`;
  res.send(page(await credential(req.session).then(connected, (err) => advice(err) ?? Promise.reject(err))));
});

app.post('/integrations/sfdc/connect', async (req, res) => {
  const state = secret();
  const asked = { ...whose(req.session), return_to: `${APP_URL}/connected`, state, redirect: true };
  const { id, url } = await gatepost('POST', '/authorizations', asked);
  req.session.begun = { id, state };
  res.redirect(303, url);
});

app.get('/connected', async (req, res) => {
  const { code, state, error } = req.query, { begun, tenant, user } = req.session;
  if (!begun || begun.state !== state) throw failure(403, 'You didn’t begin this here, so nothing was connected.');
  delete req.session.begun;
  if (error) throw failure(403, `Salesforce was not connected: ${error}.`);
  await gatepost('POST', `/authorizations/${begun.id}/complete`, { code, tenant, user });
  res.redirect(303, '/integrations');
});

app.post('/integrations/sfdc/disconnect', async (req, res) => {
  await gatepost('DELETE', '/identities', whose(req.session));
  res.redirect(303, '/integrations');
});

app.get('/newsletter/signup', (req, res) => res.send(page(form('/newsletter/signup', 'Subscribe', email))));
app.post('/newsletter/signup', async (req, res) => {
  const { id } = await salesforce(req.session, (sf) => sf.sobject('Contact').create({ LastName: 'NA', Email: req.body?.email }));
  res.send(page(`<p>Thank you for signing up to the newsletter! In Salesforce you are ${escape(id)}.</p>`));
});

app.use((err, req, res, next) => {
  const told = [403, 404, 409, 429, 503].includes(err.status); // else only whoever runs this can do something about it
  if (!told) console.error(err.code ?? err.errorCode ?? err.cause?.code ?? err.name); // messages may hold addresses
  if (err.retryAfter) res.set('Retry-After', err.retryAfter);
  const text = told ? err.message : 'That didn’t work. Please try again later.';
  res.status(told ? err.status : 502).send(page(advice(err) ?? `<p>${escape(text)}</p><a href="/integrations">Back</a>`));
});
app.listen(new URL(APP_URL).port, new URL(APP_URL).hostname, () => console.log(`Newsletter: ${APP_URL}`));
