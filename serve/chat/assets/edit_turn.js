// A turn becomes a field with its text; what it says is saved, or all stays as it was.

export function editTurn(article, text, { labels, isReply, save }) {
  const area = document.createElement("textarea");
  const buttons = [labels.save, labels.cancel].map((label) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "plain", textContent: label });
    return button;
  });
  area.value = text;
  area.rows = Math.min(16, text.split("\n").length + 1);
  area.setAttribute("aria-label", labels.edit);
  const form = document.createElement("div");
  form.className = "editing";
  form.append(area, ...buttons);
  const body = article.querySelector(".body");
  body.hidden = true;
  body.after(form);
  area.focus();
  const cancel = () => (form.remove(), (body.hidden = false));
  buttons[0].onclick = () => save(area.value);
  buttons[1].onclick = cancel;
  area.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") cancel();
    if (event.key !== "Enter" || event.shiftKey || isReply || event.isComposing) return;
    event.preventDefault();
    save(area.value);
  });
}
