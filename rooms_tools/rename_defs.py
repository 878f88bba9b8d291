"""Rename top-level names of a module: rename_defs.py TREE MODULE OLD=NEW..."""
import ast
import re
import sys
from pathlib import Path

tree=Path(sys.argv[1]); mod=sys.argv[2]; ren=dict(a.split("=") for a in sys.argv[3:])
PKG="ansible_collections.zeroinstall.virtualbox.plugins.module_utils"
own=tree/"plugins/module_utils"/(mod.replace(".","/")+".py"); last=mod.rpartition(".")[2]
def apply(s, ed):
    ls=s.splitlines(keepends=True)
    for ln,c,l,new in sorted(set(ed),reverse=True):
        raw=ls[ln-1].encode(); assert raw[c:c+l].decode() in ren,(raw,c,l); ls[ln-1]=(raw[:c]+new.encode()+raw[c+l:]).decode()
    return "".join(ls)
for f in [own,*tree.glob("plugins/**/*.py"),*tree.glob("tests/**/*.py")]:
    s=f.read_text()
    if f!=own and last not in s: continue
    t=ast.parse(s); ed=[]
    if f==own:
        for n in ast.walk(t):
            if isinstance(n,ast.Name) and n.id in ren: ed.append((n.lineno,n.col_offset,len(n.id),ren[n.id]))
        for n in t.body:
            if isinstance(n,(ast.FunctionDef,ast.ClassDef)) and n.name in ren:
                line=s.splitlines()[n.lineno-1]; c=line.index(n.name); ed.append((n.lineno,c,len(n.name),ren[n.name]))
    else:
        alias=set()
        for n in ast.walk(t):
            if isinstance(n,ast.ImportFrom) and (n.module or "").startswith(PKG):
                for a in n.names:
                    if a.name==last: alias.add(a.asname or a.name)
                    if n.module==PKG+"."+mod and a.name in ren: print("FROM",f,a.name)
        for n in ast.walk(t):
            if isinstance(n,ast.Attribute) and n.attr in ren and ((isinstance(n.value,ast.Name) and n.value.id in alias) or (isinstance(n.value,ast.Attribute) and n.value.attr==last)):
                ed.append((n.end_lineno,n.end_col_offset-len(n.attr),len(n.attr),ren[n.attr]))
    new=apply(s,ed)
    if f!=own:
        for a in alias:
            for o,w in ren.items(): new=re.sub(rf'(setattr\({a}, ")({o})(")', rf"\g<1>{w}\3", new)
    if new!=s: f.write_text(new); print("renamed in",f.relative_to(tree))
