"""Marks by which a file that comes back tells whether somebody else changed a row meanwhile."""

import hashlib

from sekisho.findings.model import Finding


def stamp_finding(finding: Finding) -> str:
    """Return what changes when a finding is given to somebody else, closed or found again."""
    said = "\0".join([finding.owner or "", finding.status.value, str(finding.times)])
    return hashlib.sha256(said.encode()).hexdigest()[:12]
