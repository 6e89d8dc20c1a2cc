/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The look of the page of --html.
 *
 * How: colours are variables with two values, light and dark. Blue, orange and green are those of
 * M. Okabe and K. Ito, which people tell apart who do not see all colours; lines also differ in
 * dashes. Below 620 px the figures take the whole width and labels marked `minor` go.
 *
 * Invariants: no font, image or address from elsewhere.
 * Threads: any; constant. Failures: none.
 */
#include "client/loadgen/html.h"

static const char *const html_sheet[] = {
    ":root{--bg:#f6f7f9;--card:#fff;--ink:#17202b;--soft:#5b6775;--edge:#dfe4ea;--grid:#e8ecf0;"
    "--a:#0067a8;--b:#c65400;--c:#00785a;--area:#0072b2;--good:#00714f;--bad:#a33c00;"
    "--good-bg:#e3f4ee;--bad-bg:#fdeee2;--few:#8492a3;--shade:#17202b40}\n",
    "@media(prefers-color-scheme:dark){:root{--bg:#11161c;--card:#1a2129;--ink:#e7ecf1;"
    "--soft:#9aa7b5;--edge:#2c3641;--grid:#28313b;--a:#5cb8ee;--b:#f5a04a;--c:#3fcb9f;"
    "--area:#4aa8de;--good:#5bd6ac;--bad:#f7ab6b;--good-bg:#12332a;--bad-bg:#3b2713;"
    "--few:#6d7b8a;--shade:#000a}}\n",
    "*{box-sizing:border-box}\n",
    "body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"
    "\"Segoe UI\",Roboto,\"Noto Sans\",\"DejaVu "
    "Sans\",sans-serif;font-variant-numeric:tabular-nums}"
    "\n",
    "main{max-width:1120px;margin:0 auto;padding:28px 20px 60px}\n",
    "h1{font-size:30px;line-height:1.2;margin:0;letter-spacing:-.02em;overflow-wrap:anywhere}\n",
    "h2{font-size:21px;margin:0 0 14px;letter-spacing:-.01em}\n",
    "h2 small{font-size:13px;font-weight:400;color:var(--soft);letter-spacing:0;margin-left:6px;"
    "overflow-wrap:anywhere}\n",
    "h3{font-size:15px;margin:0}\n",
    "a{color:inherit}\n",
    ".eyebrow{margin:0 0 4px;color:var(--soft);font-size:12px;letter-spacing:.09em;"
    "text-transform:uppercase}\n",
    ".sub{margin:4px 0 12px;color:var(--soft);overflow-wrap:anywhere}.sub "
    "span{white-space:nowrap}\n",
    ".note{margin:2px 0 8px;color:var(--soft);font-size:13px}\n",
    ".chips{list-style:none;display:flex;flex-wrap:wrap;gap:6px;margin:0 0 14px;padding:0}\n",
    ".chips li{border:1px solid var(--edge);background:var(--card);border-radius:99px;"
    "padding:2px 11px;font-size:13px}\n",
    ".chips .strong{border-color:var(--a);color:var(--a);font-weight:600}\n",
    ".trust{margin:0;padding:9px 14px;border-radius:8px;font-weight:600}\n",
    ".good{background:var(--good-bg);color:var(--good)}.bad{background:var(--bad-bg);"
    "color:var(--bad)}\n",
    "section{background:var(--card);border:1px solid var(--edge);border-radius:12px;"
    "padding:20px 22px;margin-top:20px}\n",
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(108px,1fr));gap:10px;"
    "margin-bottom:14px}\n",
    ".tile{background:var(--bg);border-radius:8px;padding:9px 12px}\n",
    ".tile b{display:block;font-size:20px;line-height:1.25;white-space:nowrap;"
    "letter-spacing:-.01em}\n",
    ".tile span{color:var(--soft);font-size:12px}\n",
    ".warnings{list-style:none;margin:0 0 14px;padding:0}\n",
    ".warnings:empty{display:none}\n",
    ".warnings li{border-left:4px solid var(--b);background:var(--bad-bg);border-radius:4px;"
    "padding:6px 12px;margin-bottom:6px;font-size:14px;overflow-wrap:anywhere}\n",
    ".warnings b{color:var(--bad)}\n",
    /* a shadow where there is more to the side: the covers move with the table, it does not */
    ".scroll{overflow-x:auto;background:linear-gradient(90deg,var(--card) 30%,transparent) "
    "0/30px 100%,linear-gradient(270deg,var(--card) 30%,transparent) 100%/30px 100%,"
    "linear-gradient(90deg,var(--shade),transparent) 0/12px 100%,"
    "linear-gradient(270deg,var(--shade),transparent) 100%/12px 100%;"
    "background-attachment:local,local,scroll,scroll;background-repeat:no-repeat}\n",
    "table{border-collapse:collapse;width:100%;font-size:14px}\n",
    "th,td{text-align:right;padding:6px 10px;border-bottom:1px solid var(--edge);"
    "white-space:nowrap}\n",
    "tbody tr:last-child>*{border-bottom:0}\n",
    "th:first-child{text-align:left;padding-left:0}\n",
    "thead th{color:var(--soft);font-weight:500;font-size:12px}\n",
    "th.step:first-child{padding-left:16px;font-weight:400;color:var(--soft)}\n",
    ".scroll+h3,.next{margin-top:20px}.scroll+.note{margin-top:12px}\n",
    "td.bar{position:relative;min-width:130px}\n",
    "td.bar i{position:absolute;right:0;top:5px;bottom:5px;background:var(--area);opacity:.17;"
    "border-radius:3px}\n",
    "td.bar b{position:relative}\n",
    "td.worse,.verdict.worse{color:var(--bad);font-weight:600}\n",
    ".verdict{text-align:left}td.verdict{white-space:normal}.verdict.better{color:var(--good);font-"
    "weight:600}\n",
    ".forest{min-width:150px;text-align:center}\n",
    ".forest div{position:relative;height:18px;background:linear-gradient(var(--soft),var(--soft))"
    " 50%/1px 100% no-repeat}\n",
    ".forest i{position:absolute;top:7px;height:4px;min-width:2px;background:var(--a);"
    "border-radius:2px}\n",
    ".forest u{position:absolute;top:2px;border:7px solid transparent}"
    ".forest .less{left:0;border-left:0;border-right-color:var(--a)}"
    ".forest .more{right:0;border-right:0;border-left-color:var(--a)}\n",
    ".forest b{position:absolute;top:4px;width:10px;height:10px;margin-left:-5px;"
    "background:var(--a);border-radius:50%}\n",
    ".runs{min-width:170px;text-align:center}.runs "
    "div{position:relative;height:18px;background:"
    "linear-gradient(var(--edge),var(--edge)) 0 50%/100% 1px no-repeat}\n",
    ".runs i{position:absolute;top:7px;height:4px;min-width:2px;background:var(--area);opacity:.45;"
    "border-radius:2px}\n",
    ".runs u{position:absolute;top:6px;width:6px;height:6px;margin-left:-3px;border-radius:50%;"
    "background:var(--soft)}\n",
    ".runs b{position:absolute;top:2px;width:2px;height:14px;margin-left:-1px;"
    "background:var(--a)}\n",
    ".kinds{display:grid;grid-template-columns:repeat(auto-fit,minmax(280px,1fr));gap:18px 30px;"
    "margin:8px 0 14px}.kinds .low svg{height:84px}.kinds .tall svg{height:160px}\n",
    ".figures{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:26px 34px;"
    "margin:18px 0}\n",
    "figure{margin:0;min-width:0}\n",
    ".figures figure:nth-child(2){grid-row:span 2}\n",
    ".key{font-size:12px;color:var(--soft);margin-right:14px;white-space:nowrap}\n",
    ".key i{display:inline-block;width:20px;margin-right:5px;vertical-align:middle;"
    "border-top:3px solid var(--a)}\n",
    ".key .area{height:10px;border:0;background:var(--area);opacity:.45;border-radius:2px}\n",
    ".key .service,.key .p99{border-top:3px dashed var(--b)}\n",
    ".key .ttfb,.key .max{border-top:3px dotted var(--c)}\n",
    ".key .offered{border-top:2px dashed var(--ink)}\n",
    ".plot{position:relative;margin:12px 6px 30px 58px}\n",
    ".plot svg{display:block;width:100%;overflow:visible}\n",
    ".tall svg{height:250px}.low svg{height:120px}.thin "
    "svg{height:76px}.thin{margin-bottom:18px}\n",
    "@media(min-width:821px){.figures{grid-template-rows:auto 1fr}.test .figures "
    "figure:first-child .tall svg{height:360px}}\n",
    ".plot.low+.key{margin-left:0}\n",
    ".plot path{vector-effect:non-scaling-stroke}\n",
    ".plot .y,.plot .x{position:absolute;color:var(--soft);font-size:11px;line-height:1;"
    "white-space:nowrap}\n",
    ".plot .y{right:100%;margin-right:7px;transform:translateY(-50%)}\n",
    ".plot .x{top:100%;margin-top:7px;transform:translateX(-50%)}\n",
    ".grid{stroke:var(--grid);stroke-width:1;fill:none}\n",
    ".line{fill:none;stroke:var(--a);stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}"
    "\n",
    ".line.service,.line.p99{stroke:var(--b);stroke-width:2;stroke-dasharray:7 4}\n",
    ".line.ttfb,.line.max{stroke:var(--c);stroke-width:2;stroke-dasharray:1 4.5}\n",
    ".line.offered{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:5 4}\n",
    ".line.median{stroke:var(--ink);stroke-width:2}.key .median{border-color:var(--ink)}\n",
    ".line.dots{stroke-width:8;stroke-dasharray:none}\n",
    "path.area{fill:var(--area);fill-opacity:.38;stroke:var(--area);stroke-width:1.2}\n",
    ".few{fill:var(--few);fill-opacity:.13}\n",
    ".heat{fill:var(--area)}.h0{fill-opacity:.07}.h1{fill-opacity:.15}.h2{fill-opacity:.26}"
    ".h3{fill-opacity:.4}.h4{fill-opacity:.58}.h5{fill-opacity:.8}\n",
    ".columns{display:grid;grid-template-columns:1fr 1fr;gap:24px;margin-bottom:16px}\n",
    "dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:3px 16px;margin:8px 0 0;"
    "font-size:14px}\n",
    "dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}\n",
    "pre{background:var(--bg);border-radius:8px;padding:10px 14px;white-space:pre-wrap;"
    "overflow-wrap:anywhere;font-size:13px;margin:8px 0 14px}\n",
    ".option{display:inline-block;max-width:100%}\n",
    "summary{cursor:pointer;font-weight:600;font-size:14px}\n",
    "footer{color:var(--soft);font-size:12px;margin-top:18px}\n",
    "@media(max-width:820px){.figures{grid-template-columns:minmax(0,1fr)}}\n",
    "@media(max-width:620px){main{padding:18px 12px 40px}section{padding:16px 14px}"
    "h1{font-size:24px}.columns{grid-template-columns:1fr}.minor{display:none}"
    ".tall svg{height:210px}.tiles{grid-template-columns:repeat(3,minmax(0,1fr));gap:7px}"
    ".tile{padding:7px 9px}.tile b{font-size:16px}h2 small{display:block;margin:0}"
    "table{font-size:13px}th,td{padding:5px 5px}th{white-space:normal}td.bar{min-width:84px}"
    ".warned thead .verdict{display:none}.warned tr{display:grid;"
    "grid-template-columns:1fr 1fr 1fr 1fr;border-bottom:1px solid var(--edge)}"
    ".warned tr>*{border:0}.warned .minor{display:none}"
    ".warned tr>.verdict{grid-column:1/-1;padding:0 0 6px}.warned tr>.verdict:empty{padding:0}"
    ".ab thead{display:none}.ab,.ab tbody{display:block}.ab tr{display:grid;"
    "grid-template-columns:1fr 1fr 1fr;padding:9px 0;border-bottom:1px solid var(--edge)}"
    ".ab tr>*{border:0;padding:3px 0;text-align:left;white-space:normal}"
    ".ab th,.ab .forest,.ab .verdict{grid-column:1/-1}.ab .minor{display:none}"
    ".ab td[data-is]::before{content:attr(data-is);display:block;font-size:11px;"
    "color:var(--soft)}}\n",
    "@media print{body{background:#fff}section{break-inside:avoid;border-color:#bbb}"
    ".scroll{overflow:visible}}\n",
};

void html_style(FILE *out)
{
    for (size_t i = 0; i < LENGTH_OF(html_sheet); i++)
        fputs(html_sheet[i], out);
}
