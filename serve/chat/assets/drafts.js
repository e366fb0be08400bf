// Texts that were typed and not sent: kept in this browser alone, for each person and conversation.

const place = (person) => `chaku.drafts.${person}`;

function drafts(person) {
  return JSON.parse(localStorage.getItem(place(person)) ?? "{}");
}

export function draftOf(person, conversation) {
  return drafts(person)[conversation] ?? "";
}

export function keepDraft(person, conversation, text) {
  const { [conversation]: _, ...others } = drafts(person);
  localStorage.setItem(place(person), JSON.stringify(text ? { ...others, [conversation]: text } : others));
}

export function forgetDrafts(person) {
  localStorage.removeItem(place(person));
}
