"""Move top-level definitions between modules of module_utils.

python3 move_defs.py TREE FROM TO 'docstring' NAME...     FROM, TO like _guest.fstab
"""
import ast
import re
import sys
from pathlib import Path

tree=Path(sys.argv[1]); src,dst,doc=sys.argv[2:5]; names=set(sys.argv[5:])
PKG="ansible_collections.zeroinstall.virtualbox.plugins.module_utils"
mu=tree/"plugins/module_utils"
def path(m): return mu/(m.replace(".","/")+".py")
def last(m): return m.rpartition(".")[2]
def imp(m): return f"from {PKG}{'.'+m.rpartition('.')[0] if '.' in m else ''} import {last(m)}\n"
text=path(src).read_text(); lines=text.splitlines(keepends=True); t=ast.parse(text)
body=t.body; segs=[]; prev=0
defs={}
for i,n in enumerate(body):
    start=min([n.lineno]+[d.lineno for d in getattr(n,"decorator_list",[])])-1
    while start>prev and lines[start-1].startswith("#") and not lines[start-1].startswith("# ---"): start-=1
    end=n.end_lineno
    ids=[]
    if isinstance(n,(ast.FunctionDef,ast.ClassDef)): ids=[n.name]
    elif isinstance(n,ast.Assign): ids=[x.id for tt in n.targets for x in ast.walk(tt) if isinstance(x,ast.Name)]
    elif isinstance(n,ast.AnnAssign): ids=[n.target.id]
    isdoc=isinstance(n,ast.Expr) and isinstance(n.value,ast.Constant) and i>0 and isinstance(body[i-1],(ast.Assign,ast.AnnAssign))
    if isdoc: segs[-1]["end"]=end
    else: segs.append(dict(node=n,start=start,end=end,ids=ids))
    for x in ids: defs[x]=n
    prev=end
missing=names-set(defs); assert not missing, missing
moved=[s for s in segs if set(s["ids"])&names]; stay=[s for s in segs if not set(s["ids"])&names]
for s in moved: names|=set(s["ids"])
alldefs=set(defs); rest=alldefs-names
# last attribute/type annotations are strings? with future annotations they are AST anyway
def edits_for(nodes, wanted, module):
    out=[]
    for n in nodes:
        bound={a.arg for f in ast.walk(n) if isinstance(f,(ast.FunctionDef,ast.Lambda)) for a in [*f.args.args,*f.args.kwonlyargs,*f.args.posonlyargs]}|{x.id for x in ast.walk(n) if isinstance(x,ast.Name) and isinstance(x.ctx,ast.Store)}
        for x in ast.walk(n):
            if isinstance(x,ast.Name) and x.id in wanted and isinstance(x.ctx,ast.Load):
                if x.id in bound and not isinstance(n,(ast.Assign,ast.AnnAssign)): print("SHADOWED?",module,x.id,x.lineno); continue
                out.append((x.lineno,x.col_offset,len(x.id),f"{last(module)}.{x.id}"))
                if x.id.startswith("_"): print("PRIVATE",module,x.id,"line",x.lineno)
    return out
def apply(lines, edits):
    lines=list(lines)
    for ln,c,l,new in sorted(set(edits),reverse=True):
        raw=lines[ln-1].encode(); lines[ln-1]=(raw[:c]+new.encode()+raw[c+l:]).decode()
    return lines
e_stay=edits_for([s["node"] for s in stay],names,dst)
e_moved=edits_for([s["node"] for s in moved],rest,src)
new=apply(lines,e_stay+e_moved)
imports=[s for s in segs if isinstance(s["node"],(ast.Import,ast.ImportFrom))]
header=text[:text.index('"""')]
def chunk(s): return "".join(new[s["start"]:s["end"]])
def sep(s): return "\n\n" if isinstance(s["node"],(ast.FunctionDef,ast.ClassDef)) else ""
body_new=""
prevdef=True
for s in moved:
    isdef=isinstance(s["node"],(ast.FunctionDef,ast.ClassDef))
    body_new+=("\n\n" if isdef or prevdef else "")+chunk(s); prevdef=isdef
d=path(dst); d.parent.mkdir(exist_ok=True)
if d.exists():
    old=d.read_text(); d.write_text(old.rstrip("\n")+"\n"+body_new)
    extra="".join("".join(lines[s["start"]:s["end"]]) for s in imports if not (isinstance(s["node"],ast.ImportFrom) and s["node"].module=="__future__"))
    o=d.read_text(); a=ast.parse(o); at=[n for n in a.body if isinstance(n,(ast.Import,ast.ImportFrom))][-1].end_lineno
    ls=o.splitlines(keepends=True); d.write_text("".join(ls[:at])+extra+(imp(src) if e_moved else "")+"".join(ls[at:]))
else:
    (d.parent/"__init__.py").touch()
    d.write_text(header+f'"""{doc}"""\n\n'+"".join("".join(lines[s["start"]:s["end"]]) +("\n" if isinstance(s["node"],ast.ImportFrom) and s["node"].module=="__future__" else "") for s in imports)+(imp(src) if e_moved else "")+body_new.replace("\n\n","\n",1) if False else header+f'"""{doc}"""\n\n'+"".join("".join(lines[s["start"]:s["end"]])+("\n" if isinstance(s["node"],ast.ImportFrom) and s["node"].module=="__future__" else "") for s in imports)+(imp(src) if e_moved else "")+"\n"+body_new.lstrip("\n") if not isinstance(moved[0]["node"],(ast.FunctionDef,ast.ClassDef)) else header+f'"""{doc}"""\n\n'+"".join("".join(lines[s["start"]:s["end"]])+("\n" if isinstance(s["node"],ast.ImportFrom) and s["node"].module=="__future__" else "") for s in imports)+(imp(src) if e_moved else "")+body_new)
# source without the moved
drop=set()
for s in moved: drop|=set(range(s["start"],s["end"]))
kept=[l for i,l in enumerate(new) if i not in drop]
k="".join(kept); k=re.sub(r"\n{4,}","\n\n\n",k)
at=[s for s in imports][-1]["end"]
if e_stay:
    # after the last import
    a=ast.parse(k); at=[n for n in a.body if isinstance(n,(ast.Import,ast.ImportFrom))][-1].end_lineno
    ls=k.splitlines(keepends=True); k="".join(ls[:at])+imp(dst)+"".join(ls[at:])
path(src).write_text(k)
# users
for f in [*tree.glob("plugins/**/*.py"),*tree.glob("tests/**/*.py"),*tree.glob("roles/**/*.py")]:
    if f in (path(src),d): continue
    s=f.read_text()
    if last(src) not in s or "module_utils" not in s: continue
    tt=ast.parse(s); ed=[]; need=False; alias=set()
    for n in ast.walk(tt):
        if isinstance(n,ast.ImportFrom) and n.module==PKG+("."+src.rpartition(".")[0] if "." in src else ""):
            for a in n.names:
                if a.name==last(src): alias.add(a.asname or a.name)
    ls=s.splitlines(keepends=True)
    for n in ast.walk(tt):
        if isinstance(n,ast.Attribute) and n.attr in names and isinstance(n.value,ast.Name) and n.value.id in alias:
            ed.append((n.value.lineno,n.value.col_offset,len(n.value.id),last(dst))); need=True
        if isinstance(n,ast.Attribute) and n.attr in names and isinstance(n.value,ast.Attribute) and n.value.attr==last(src): print("CHAIN",f,n.lineno)
    fr=[]
    for n in ast.walk(tt):
        if isinstance(n,ast.ImportFrom) and n.module==PKG+"."+src:
            mv=[a for a in n.names if a.name in names]
            if mv: fr.append((n,mv))
    if not ed and not fr: continue
    ls=apply(ls,ed)
    for n,mv in sorted(fr,key=lambda p:-p[0].lineno):
        w=lambda a:a.name+(f" as {a.asname}" if a.asname else "")
        keep=[a for a in n.names if a not in mv]
        out="".join(f"from {m} import {', '.join(map(w,aa))}\n" for m,aa in ((n.module,keep),(PKG+'.'+dst,mv)) if aa)
        ls[n.lineno-1:n.end_lineno]=[out]
    if need:
        a=ast.parse("".join(ls)); at=[n for n in a.body if isinstance(n,(ast.Import,ast.ImportFrom)) and (getattr(n,'module','') or '').startswith("ansible_coll")]
        at=(at or [n for n in a.body if isinstance(n,(ast.Import,ast.ImportFrom))])[-1].end_lineno
        flat="".join(ls).splitlines(keepends=True); ls=flat[:at]+[imp(dst)]+flat[at:]
    f.write_text("".join(ls)); print("user",f.relative_to(tree))
