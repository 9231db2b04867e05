#!/usr/bin/env bash
# Accessibility of the report, by axe-core in headless Chromium: light and dark, wide and as wide as a phone.
#   scripts/check-report.sh [results/report.html]
# Exit code 0: no violations; 1: some, which are listed; 77: skipped, with the reason.
set -euo pipefail
cd "$(dirname "$0")/.."
report=${1:-results/report.html}
version=4.11.0
cache=target/axe-core-$version

skip() { echo "skipped the check of $report: $1" >&2; exit 77; }

browser=
for name in chromium chromium-browser google-chrome chrome; do
    browser=${browser:-$(command -v "$name" || true)}
done
[[ -n $browser ]] || skip "Chromium is not installed"
[[ -f $report ]] || skip "there is no such file; cargo run --release -- reproduce"
if [[ ! -f $cache/package/axe.min.js ]]; then
    command -v npm >/dev/null || skip "npm, which brings axe-core, is not installed"
    mkdir -p "$cache"
    (cd "$cache" && npm pack --silent --fetch-retries=0 --fetch-timeout=20000 "axe-core@$version" >/dev/null \
        && tar xzf ./*.tgz) || skip "axe-core cannot be fetched"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The page, then axe, then a line a violation in place of the title.
{
    cat "$report"
    echo '<script>'
    cat "$cache/package/axe.min.js"
    echo '</script><script>
    axe.run(document, { resultTypes: ["violations"] }).then(found => {
        const lines = found.violations.flatMap(v => v.nodes.map(n => `${v.id} (${v.impact}): ${v.help}: ${n.target}`));
        const isWide = document.documentElement.scrollWidth > window.innerWidth;
        const wide = isWide ? ["the page is wider than the window"] : [];
        document.body.textContent = ["CHECKED " + window.innerWidth, ...lines, ...wide].join("\n");
    });
    </script>'
} > "$work/page.html"

failed=0
for scheme in 0:dark 1:light; do
    for width in 1280 500; do
        "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" --window-size="$width,900" \
            --blink-settings=preferredColorScheme="${scheme%:*}" --virtual-time-budget=120000 --dump-dom \
            "file://$work/page.html" > "$work/dom" 2> "$work/log" || { cat "$work/log" >&2; exit 1; }
        found=$(sed -n '/CHECKED/,$p' "$work/dom" | sed 's/<[^>]*>//g; s/&gt;/>/g; s/&lt;/</g' | sed '/^$/d')
        case $found in
        CHECKED*) ;;
        *) echo "axe-core did not finish (${scheme#*:}, $width)" >&2; exit 1 ;;
        esac
        violations=$(sed 1d <<< "$found")
        if [[ -n $violations ]]; then
            failed=1
            printf '%s, %s pixels wide:\n%s\n' "${scheme#*:}" "$width" "$violations"
        fi
    done
done
[[ $failed == 0 ]] && echo "$report: no violations, in light and dark, wide and narrow"
exit "$failed"
