/** The look of a report page: light and dark by the reader's choice, light on paper. */

const light = `--ink:#1c2530;--soft:#5c6875;--paper:#fff;--panel:#f5f7f9;--line:#d9dfe5;
--turn:#e3e8ee;--drain:#8fb4de;--change:#3c78c3;--proof:#2f9e63;--rollback:#e08a1e;--down:#cf3f4b;
--good:#1d7a48;--bad:#b9303c;--wait:#a86208;--added:#e2f4e8;--removed:#fbe6e7;--hunk:#e8eef9`

const dark = `--ink:#e2e7ec;--soft:#98a4b0;--paper:#14191f;--panel:#1c232b;--line:#323c47;
--turn:#2a333d;--drain:#5b83b3;--change:#5a9be8;--proof:#43bd7c;--rollback:#eda043;--down:#ee6670;
--good:#59c98c;--bad:#f27d86;--wait:#e8a951;--added:#173a27;--removed:#43202a;--hunk:#1f2d45`

export const style = `:root{color-scheme:light dark;${light}}
@media (prefers-color-scheme:dark){:root{${dark}}}
@media print{:root{color-scheme:light;${light}}
body{padding:0!important;font-size:11px!important;-webkit-print-color-adjust:exact;print-color-adjust:exact}
section,figure,table,pre,.facts{break-inside:avoid}h2,h3{break-after:avoid}section.node{break-inside:auto}pre{white-space:pre-wrap!important}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1040px;padding:28px 24px 60px;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.7em;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:1.25em;margin:0 0 8px;overflow-wrap:anywhere}h3{font-size:1em;margin:20px 0 6px;color:var(--soft)}
p{margin:6px 0;overflow-wrap:anywhere}.soft{color:var(--soft)}
.lead{font-size:1.1em;margin:12px 0}
.badge{display:inline-block;padding:0 9px;border:1.5px solid;border-radius:99px;font-size:.8em;font-weight:600;line-height:1.7;vertical-align:.12em}
.good{color:var(--good)}.bad{color:var(--bad)}.wait{color:var(--wait)}
.facts{display:flex;flex-wrap:wrap;gap:10px;margin:14px 0;padding:0;list-style:none}
.facts li{background:var(--panel);border:1px solid var(--line);border-radius:7px;padding:7px 13px;min-width:92px}
.facts b{display:block;font-size:1.15em;font-variant-numeric:tabular-nums}.facts span{color:var(--soft);font-size:.85em}
section.node{border-top:1px solid var(--line);margin-top:34px;padding-top:22px}
figure{margin:12px 0;border:1px solid var(--line);border-radius:8px;padding:12px 10px;overflow-x:auto}
figcaption{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:.82em;color:var(--soft);padding:8px 4px 0}
figcaption i{display:inline-block;width:14px;height:10px;border-radius:2px;margin-right:5px}
svg{display:block;width:100%;min-width:680px;height:auto;font:12px system-ui,sans-serif}
.grid{stroke:var(--line)}.tick{fill:var(--soft);text-anchor:middle;font-size:11px}
.label{fill:var(--ink);text-anchor:end}.note{fill:var(--soft)}
${['turn', 'drain', 'change', 'proof', 'rollback', 'down'].map((kind) => `.${kind}{fill:var(--${kind});background:var(--${kind})}`).join('')}
i.down{height:3px!important;vertical-align:3px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;table-layout:fixed;width:100%;margin:4px 0 8px;font-size:.92em}
th,td{text-align:left;padding:5px 12px 5px 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
th{color:var(--soft);font-weight:500}thead th:first-child{width:230px}thead th{border-bottom-width:2px}
td.changed{font-weight:600}td.number{font-variant-numeric:tabular-nums}
code,pre{font:.86em/1.5 ui-monospace,monospace}
pre{margin:0 0 14px;border:1px solid var(--line);border-radius:7px;padding:8px 0;overflow-x:auto;background:var(--panel)}
pre span{display:block;padding:0 12px;min-height:1.5em}
pre .header{color:var(--soft)}pre .hunk{background:var(--hunk)}pre .added{background:var(--added);color:var(--good)}pre .removed{background:var(--removed);color:var(--bad)}
`
