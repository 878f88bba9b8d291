"""Move module_utils into packages: python3 rooms.py TREE"""
import ast
import re
import subprocess
import sys
from pathlib import Path

tree = Path(sys.argv[1])
MAP = {
 "_files": "_files.replacing", "_paths": "_files.inspecting", "_placing": "_files.placing", "_sudo": "_files.sudo",
 "_vboxmanage": "_vbox.vboxmanage", "_vboxapi": "_vbox.vboxapi", "_shares": "_vbox.planning", "_known": "_vbox.recognizing", "_apply": "_vbox.applying",
 "_guest": "_guest.reading", "_mounts": "_guest.fstab", "_mounting": "_guest.mounting", "_additions": "_guest.additions_versions", "_installer": "_guest.additions_installer",
 "_image": "_guest.additions_image", "_proof": "_guest.mount_probe",
 "_manifest": "_store.manifests", "_tree": "_store.trees", "_store": "_store.judging", "_parts": "_store.split_hashing", "_hashing": "_store.hashing",
 "_workers": "_store.workers", "_verify": "_store.verifying", "_answers": "_store.forked_questions", "_record": "_store.verified_before", "_quarantine": "_store.quarantine",
 "_groups": "_store.group_stores", "_capped": "_store.cut_lists", "_access": "_store.access_rights", "_holes": "_store.sparse_files", "_progress": "_store.progress",
 "_import": "_inbox.one_pass", "_import_boxes": "_inbox.guest_boxes", "_import_archive": "_inbox.archives", "_import_tree": "_inbox.extracting",
 "_import_process": "_inbox.extract_process", "_import_room": "_inbox.free_room", "_import_turns": "_inbox.turn_taking",
}
PKG = "ansible_collections.zeroinstall.virtualbox.plugins.module_utils"
MODULES={*MAP,*(f.stem for f in tree.glob("plugins/modules/*.py")),"unpacking","n","s","k","v","m"}
def bound(t):
    names=set()
    for n in ast.walk(t):
        if isinstance(n,ast.Name) and isinstance(n.ctx,(ast.Store,ast.Del)): names.add(n.id)
        elif isinstance(n,ast.arg): names.add(n.arg)
        elif isinstance(n,(ast.FunctionDef,ast.ClassDef)): names.add(n.name)
        elif isinstance(n,ast.alias) : names.add((n.asname or n.name).split(".")[0])
    return names
def sources():
    for f in sorted([*tree.glob("plugins/**/*.py"),*tree.glob("tests/**/*.py"),*tree.glob("roles/**/*.py")]):
        src=f.read_text()
        if "module_utils" in src or "plugins.modules import" in src: yield f,src
def imported(t):
    return {a.name for n in ast.walk(t) if isinstance(n,ast.ImportFrom) and n.module==PKG for a in n.names if a.name in MAP and a.asname is None}
def check():
    coll={}
    for f,src in sources():
        t=ast.parse(src); b=bound(t)
        for name in imported(t):
            new=MAP[name].split(".")[1]
            if new in b: coll.setdefault(new,[]).append(str(f.relative_to(tree)))
    for k,v in coll.items(): print(k,v)
def rewrite(f,src):
    t=ast.parse(src); names=imported(t); lines=src.splitlines(keepends=True)
    edits=[]  # (line, col, endcol, text)
    for n in ast.walk(t):
        if isinstance(n,ast.Name) and n.id in names and isinstance(n.ctx,ast.Load):
            edits.append((n.lineno,n.col_offset,n.col_offset+len(n.id),MAP[n.id].split(".")[1]))
    for n in ast.walk(t):
        if isinstance(n,ast.Attribute) and n.attr in MAP and isinstance(n.value,ast.Name) and n.value.id in MODULES:
            edits.append((n.end_lineno,n.end_col_offset-len(n.attr),n.end_col_offset,MAP[n.attr].split(".")[1]))
    spans=[]
    for n in ast.walk(t):
        if isinstance(n,ast.ImportFrom) and n.module and n.module.startswith(PKG):
            ind=" "*n.col_offset
            if n.module==PKG:
                groups={}
                for a in n.names:
                    tail_=f" as {a.asname}" if a.asname else ""
                    if a.name in MAP:
                        p,m=MAP[a.name].split("."); groups.setdefault(PKG+"."+p,[]).append(m+tail_)
                    else: groups.setdefault(PKG,[]).append(a.name+tail_)
                out=""
                for m,ns in sorted(groups.items()):
                    line=f"{ind}from {m} import {', '.join(sorted(ns))}\n"
                    if len(line)>121: line=f"{ind}from {m} import (\n"+"".join(f"{ind}    {x},\n" for x in sorted(ns))+f"{ind})\n"
                    out+=line
                tail=lines[n.end_lineno-1][n.end_col_offset:].strip()
                if tail: out=out[:-1]+"  "+tail+"\n"
                spans.append((n.lineno,n.end_lineno,out))
            else:
                x=n.module[len(PKG)+1:]
                if x in MAP:
                    l=lines[n.lineno-1]
                    spans.append((n.lineno,n.lineno,l.replace(PKG+"."+x+" ",PKG+"."+MAP[x]+" ")))
    for ln,c,e,text in sorted(edits,reverse=True):
        raw=lines[ln-1].encode(); lines[ln-1]=(raw[:c]+text.encode()+raw[e:]).decode()
    for a,b,out in sorted(spans,reverse=True): lines[a-1:b]=[out]
    return "".join(lines)
def texts(s):
    def code(m):
        if m[1] not in MAP: return m[0]
        p,n=MAP[m[1]].split("."); return f"{PKG}.{p} import {n}{m[2] or ' as '+m[1]}"
    def one(line):
        if line.lstrip().startswith("from ansible_collections"):
            return re.sub(re.escape(PKG)+r" import (_\w+)( as \w+)?(?![\w,])", code, line)
        line=re.sub(r"module_utils\.(_\w+)(?=[.\"' ])", lambda m: "module_utils."+MAP.get(m[1],m[1]), line)
        line=re.sub(re.escape(PKG)+r" import (_\w+)( as \w+)?(?![\w,])", code, line)
        return re.sub(r"module_utils/(_\w+)\.py", lambda m: "module_utils/"+MAP[m[1]].replace(".","/")+".py" if m[1] in MAP else m[0], line)
    return "".join(map(one, s.splitlines(keepends=True)))
TESTS={"test_files":"_files/test_replacing","test_paths":"_files/test_inspecting","test_placing":"_files/test_placing","test_sudo":"_files/test_sudo"}
def pre():
    def sub(f, pairs):
        q=tree/f; t=q.read_text()
        for a,b in pairs:
            assert a in t,(f,a); t=t.replace(a,b)
        q.write_text(t)
    sub("plugins/module_utils/_mounting.py",[("        fstab = self._fstab()","        lines = self._fstab()"),("in fstab.removed","in lines.removed"),("(fstab.removed","(lines.removed"),("if fstab.ours","if lines.ours"),("bool(fstab.changed","bool(lines.changed")])
    sub("tests/lab/test_additions.py",[("    fstab = {","    fstabs = {"),("in fstab.items()","in fstabs.items()")])
    sub("plugins/module_utils/_guest.py",[("limits, fstab: str" if False else "refused: _additions.Limits, fstab: str,","refused: _additions.Limits, fstab_path: str,"),("self.fstab(fstab)","self.fstab(fstab_path)")])
def prose():
    """Names of modules in texts between backticks."""
    names=dict(MAP)
    for f in [*tree.glob("plugins/**/*.py"),*tree.glob("docs/*.md"),*tree.glob("tests/unit/**/*.py")]:
        s=f.read_text()
        n=re.sub(r"(`+)(_[a-z_]+)(`+)", lambda m: m[1]+(names[m[2]] if m[2] in names else m[2])+m[3], s)
        if n!=s: f.write_text(n)
def main():
    pre(); check(); prose()
    for f,src in list(sources()):
        new=texts(rewrite(f,src))
        if new!=src: f.write_text(new)
    mu=tree/"plugins/module_utils"
    for old,new in MAP.items():
        p,m=new.split("."); (mu/("new"+p)).mkdir(exist_ok=True)
        subprocess.run(["git","mv",f"plugins/module_utils/{old}.py",f"plugins/module_utils/new{p}/{m}.py"],cwd=tree,check=True)
    for p in {v.split(".")[0] for v in MAP.values()}:
        subprocess.run(["git","mv",f"plugins/module_utils/new{p}",f"plugins/module_utils/{p}"],cwd=tree,check=True)
        (mu/p/"__init__.py").write_text(""); subprocess.run(["git","add",f"plugins/module_utils/{p}/__init__.py"],cwd=tree,check=True)
    ut=tree/"tests/unit/plugins/module_utils"
    for f in sorted(ut.glob("test_*.py")):
        old="_"+f.stem[5:]
        if old in MAP:
            p,m=MAP[old].split("."); (ut/p).mkdir(exist_ok=True)
            t=f.read_text(); f.write_text(t.replace('Path(__file__).parent / "fixtures','Path(__file__).parents[1] / "fixtures').replace("__file__).parents[5])","__file__).parents[6])").replace("q._files.","q.replacing."))
            subprocess.run(["git","mv",str(f),str(ut/p/f"test_{m}.py")],cwd=tree,check=True)
    for f in [*tree.glob("docs/*.md"),tree/"README.md",*tree.glob("tests/*.md"),*tree.glob("tests/*/*.md")]:
        s=f.read_text()
        n=re.sub(r"tests/unit/plugins/module_utils/test_(\w+)\.py", lambda m: "tests/unit/plugins/module_utils/%s/test_%s.py"%tuple(MAP["_"+m[1]].split(".")) if "_"+m[1] in MAP else m[0], s)
        n=texts(n)
        if n!=s: f.write_text(n)
if __name__=="__main__":
    check() if "--check" in sys.argv else main()
