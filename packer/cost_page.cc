#include "core/json/json.h"
#include "packer/payload_cost.h"

namespace till::packer {
namespace {

constexpr size_t kMaxTiles = 400;

// Squarified treemap (Bruls, Huizing, van Wijk 2000) in plain script; no library, no network.
constexpr const char* kHead = R"(<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>Delta cost</title><style>
:root{color-scheme:light dark}body{font:15px/1.4 system-ui,sans-serif;margin:1.2rem;max-width:1200px}
h1{font-size:1.25rem;margin:0 0 .2rem;overflow-wrap:anywhere}
#map{position:relative;width:100%;height:520px;margin:.8rem 0;overflow:hidden}#key span{white-space:nowrap}
.t{position:absolute;overflow:hidden;box-sizing:border-box;border:1px solid #fff8;font-size:12px;line-height:1.25;
color:#fff;overflow-wrap:anywhere}
.k{display:inline-block;width:.9em;height:.9em;margin-right:.3em;vertical-align:-1px}.l{margin-right:1em}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2rem .6rem .2rem 0;
border-bottom:1px solid #8884}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.p{overflow-wrap:anywhere}</style>
<h1 id="title"></h1><div id="sum"></div><div id="key"></div>
<div id="map" role="img" aria-label="treemap of the delta's bytes by file; the table below says the same"></div>
<table><thead><tr><th>file</th><th>why</th><th class="n">bytes</th><th class="n">share</th></tr></thead>
<tbody id="rows"></tbody></table><script>
const data=)";

constexpr const char* kTail = R"(;
const colours={"code changed":"#1f5fa8","data changed":"#1c7a4d","new file":"#8a5a00","tables and timestamps":"#8b2d7d",
"only moved":"#5b6570","sent as packed":"#a83232","frame":"#444"};
const el=id=>document.getElementById(id);
const text=n=>n<1024?n+" B":n<1048576?(n/1024).toFixed(1)+" KiB":(n/1048576).toFixed(2)+" MiB";
el("title").textContent=data.title;el("sum").textContent=text(data.bytes)+" travel";
const causes={};data.files.forEach(f=>causes[f.cause]=(causes[f.cause]||0)+f.bytes);
Object.keys(causes).sort((a,b)=>causes[b]-causes[a]).forEach(c=>{const k=document.createElement("span"),
l=document.createElement("span");k.className="k";l.className="l";k.style.background=colours[c];
l.append(k,c+" "+text(causes[c]));el("key").append(l," ");});
function worst(row,side,sum){const s2=side*side,m2=sum*sum;return Math.max(s2*row[0].a/m2,m2/(s2*row[row.length-1].a));}
function layout(items,x,y,w,h,out){let i=0;while(i<items.length){const side=Math.min(w,h);let row=[items[i]],
sum=items[i].a,j=i+1;while(j<items.length){const next=[...row,items[j]],s=sum+items[j].a;
if(worst(next,side,s)>worst(row,side,sum))break;row=next;sum=s;j++;}
const thick=sum/side;let at=0;row.forEach(r=>{const len=r.a/thick;out.push(w<h?{f:r.f,x:x+at,y,w:len,h:thick}:
{f:r.f,x,y:y+at,w:thick,h:len});at+=len;});
if(w<h){y+=thick;h-=thick;}else{x+=thick;w-=thick;}i=j;}}
function draw(){const map=el("map");map.textContent="";const W=map.clientWidth,H=map.clientHeight;
const total=data.files.reduce((s,f)=>s+f.bytes,0)||1;const tiles=[];
layout(data.files.filter(f=>f.bytes>0).map(f=>({f,a:f.bytes/total*W*H})),0,0,W,H,tiles);
tiles.forEach(t=>{const d=document.createElement("div");d.className="t";d.style.cssText="left:"+t.x+"px;top:"+t.y+
"px;width:"+t.w+"px;height:"+t.h+"px;background:"+colours[t.f.cause];
d.title=t.f.path+"\n"+t.f.cause+": "+text(t.f.bytes);
if(t.w>44&&t.h>18)d.style.padding="2px 4px",d.textContent=t.f.path.split("/").pop()+" "+text(t.f.bytes);
map.append(d);});}
draw();addEventListener("resize",draw);
data.files.slice(0,200).forEach(f=>{const r=el("rows").insertRow();const add=(t,c)=>{const d=r.insertCell();
d.textContent=t;d.className=c;};add(f.path,"p");add(f.cause,"");add(text(f.bytes),"n");
add((100*f.bytes/data.bytes).toFixed(1)+" %","n");});
</script></html>
)";

// A path may hold "</script>".
std::string ForScript(const std::string& json) {
  std::string safe;
  for (const char c : json) safe += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return safe;
}

}  // namespace

std::string CostPage(const PayloadCost& cost, const std::string& title) {
  json::Value files = json::Value::Array();
  uint64_t rest = 0;
  for (size_t i = 0; i < cost.files.size(); ++i) {
    const FileCost& file = cost.files[i];
    if (i >= kMaxTiles) {
      rest += file.bytes;
      continue;
    }
    files.Append(json::Value::Object({{"path", file.path},
                                      {"cause", CauseName(file.cause)},
                                      {"bytes", file.bytes},
                                      {"changed", file.changed_bytes}}));
  }
  if (rest > 0)
    files.Append(json::Value::Object({{"path", "(all others)"}, {"cause", "data changed"}, {"bytes", rest}}));
  json::Value data = json::Value::Object();
  data.Set("title", title).Set("bytes", cost.payload_bytes).Set("files", std::move(files));
  return kHead + ForScript(json::Write(data)) + kTail;
}

}  // namespace till::packer
