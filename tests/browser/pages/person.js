// Who the page belongs to, and requests of that person.

const state = {};

/** A request of this person; the data of the answer, or an error that names status, code and message. */
async function api(method, path, body) {
  const response = await fetch(state.origin + path, {
    method,
    headers: { authorization: `Bearer ${state.token}`, ...(body ? { "content-type": "application/json" } : {}) },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  if (answer.success) return answer.data;
  throw new Error(`${response.status} ${answer.error.code}: ${answer.error.message}`);
}

function become(person) {
  Object.assign(state, person); // origin, token, userId, relayOnly
}
