// Typesets the maths, makes what is too high for its page smaller, and starts reveal.js.

const HEIGHT = 720;
const SMALLEST = 0.55; // of the usual size of letters and figures

/** Make the letters and figures of a page smaller until it fits the screen. */
function fit(section) {
  const page = section.querySelector(".page");
  if (!page) return;
  for (let size = 1; size >= SMALLEST; size -= 0.03) {
    page.style.fontSize = `${size}em`;
    page.style.setProperty("--size", size);
    if (overflow(section) <= 0) break;
  }
}

/** By how many pixels a page is too high or too wide. */
function overflow(section) {
  const low = section.getBoundingClientRect();
  let right = 0, bottom = 0;
  for (const part of section.querySelectorAll(".page, .page *:not(mjx-assistive-mml, mjx-assistive-mml *)")) {
    const box = part.getBoundingClientRect();
    right = Math.max(right, box.right);
    bottom = Math.max(bottom, box.bottom);
  }
  return Math.max(bottom - low.top - HEIGHT + 16, right - low.right + 40);
}

async function start() {
  await MathJax.typesetPromise();
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  // Before reveal.js hides all but one page, each can be measured.
  document.body.classList.add("measuring");
  document.querySelectorAll(".slides section section").forEach(fit);
  document.body.classList.remove("measuring");
  await Reveal.initialize({
    width: 1280, height: HEIGHT, margin: 0, minScale: 0.1, center: false, hash: true, slideNumber: "c/t",
    transition: "none", plugins: [RevealNotes],
  });
  document.body.dataset.ready = "true";
}

MathJax.startup.promise.then(start);
