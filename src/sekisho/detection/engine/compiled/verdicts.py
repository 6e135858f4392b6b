"""TEMPORARY until the reference lands."""
import re, ipaddress
from functools import lru_cache
import msgspec
from sekisho.detection.engine.compiled.globs import glob_matcher
from sekisho.detection.model import *
MISSING = msgspec.UNSET
def text_of(v):
    if type(v) is str: return v
    if v is None or v is MISSING: return None
    if type(v) is bool: return "true" if v else "false"
    if isinstance(v,(int,float)): return str(int(v)) if isinstance(v,float) and v.is_integer() else repr(v)
    return None
rx=lru_cache(5000)(lambda p,f: re.compile(p, sum(getattr(re,x.upper()) for x in f)))
gm=lru_cache(50000)(glob_matcher)
def holds(test, value, *, windows, other=None):
    if isinstance(value, (list,tuple)): return any(holds(test,v,windows=windows) for v in value)
    if isinstance(test, IsNull): return value is None or value is MISSING or (windows and value=="")
    if value is MISSING: return False
    if isinstance(test, Exists): return True
    t=text_of(value)
    if t is None: return False
    if isinstance(test, Glob):
        return gm(Glob(tuple(x if isinstance(x,Wildcard) else x for x in test.parts)))(t.casefold())
    if isinstance(test, Regex): return rx(test.pattern,test.flags).search(t) is not None
    if isinstance(test, SameAs): return other is not MISSING and t.casefold()==(text_of(other) or '\0').casefold()
    if isinstance(test, InNetwork):
        try: a=ipaddress.ip_address(t)
        except ValueError: return False
        n=ipaddress.ip_network(test.network)
        return a.version==n.version and a in n
    return False
def derived(d, parts): return parts[0]
def find_field(fields,name):
    if name in fields: return fields[name]
    if '.' in name:
        v=fields
        for p in name.split('.'):
            if not isinstance(v,dict) or p not in v: return MISSING
            v=v[p]
        return v
    return MISSING
def leaves(v):
    for x in v.values() if isinstance(v,dict) else v:
        if isinstance(x,(dict,list)): yield from leaves(x)
        else: yield x
