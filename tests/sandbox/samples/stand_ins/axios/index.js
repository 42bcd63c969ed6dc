// Stands in for axios where that is not installed: get and post, JSON, and an error for a status that is
// not 2xx, which carries the response. Nothing else.
async function request(method, url, data, { headers = {} } = {}) {
  const options = { method, headers: { Accept: 'application/json, text/plain, */*', ...headers } };
  if (data !== undefined) options.body = JSON.stringify(data);
  const answer = await fetch(url, options);
  const text = await answer.text();
  let parsed = text;
  try {
    parsed = JSON.parse(text);
  } catch {
    // axios hands over a body that is not JSON as it is.
  }
  const response = { status: answer.status, data: parsed, headers: Object.fromEntries(answer.headers) };
  if (answer.status >= 200 && answer.status < 300) return response;
  throw Object.assign(new Error(`Request failed with status code ${answer.status}`), { response });
}

exports.get = (url, config) => request('GET', url, undefined, config);
exports.post = (url, data, config) => request('POST', url, data, config);
