// What the pages' scripts ask their server. An answer that is none throws its words, with its status;
// a server that cannot be reached throws without one.

export async function get(path) {
  return checked(await fetch(path));
}

export async function post(path, body, type) {
  return checked(await fetch(path, { method: "POST", headers: { "content-type": type, "x-chaku": "1" }, body }));
}

export async function postJson(path, data) {
  return post(path, JSON.stringify(data), "application/json");
}

async function checked(answer) {
  if (answer.status === 401) location.assign("/login");
  if (!answer.ok) throw Object.assign(new Error((await answer.json()).error), { status: answer.status });
  return answer;
}

// On the pages that carry the text for a server that cannot be reached.
export function wordsOf(error) {
  return error.status ? error.message : document.body.dataset.unreached;
}
