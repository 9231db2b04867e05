// Formulas are written as GitHub renders them: blocks of the language `math`, and $`...`$ within a line.
// This script passes them to MathJax in the form that mdBook configures it for.
(() => {
  const formula = (text, open, close) => Object.assign(document.createElement("span"), {
    className: "tex2jax_process",
    textContent: open + text.trim() + close,
  });
  for (const code of document.querySelectorAll("code.language-math")) {
    (code.closest("pre") ?? code).replaceWith(formula(code.textContent, "\\[", "\\]"));
  }
  for (const code of document.querySelectorAll("main code")) {
    const [before, after] = [code.previousSibling, code.nextSibling];
    if (before?.nodeType !== 3 || after?.nodeType !== 3) continue;
    if (!before.textContent.endsWith("$") || !after.textContent.startsWith("$")) continue;
    before.textContent = before.textContent.slice(0, -1);
    after.textContent = after.textContent.slice(1);
    code.replaceWith(formula(code.textContent, "\\(", "\\)"));
  }
  // MathJax loads asynchronously; if it has run already, it has to run again.
  window.MathJax?.Hub?.Queue(["Typeset", window.MathJax.Hub]);
})();
