// A picture opens large in a dialog; Escape or a click closes it.
const dialog = document.querySelector("dialog");
for (const button of document.querySelectorAll(".zoom")) {
  button.addEventListener("click", () => {
    const { src, alt } = button.querySelector("img");
    Object.assign(dialog.querySelector("img"), { src, alt });
    dialog.showModal();
  });
}
