"""Tokens that their own form gives away, which detect-secrets does not know. Pure.

A pattern's group is the token, where it has one. Called by `secret_rules`.
"""

from __future__ import annotations

import re
from typing import Final

TOKENS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",  # JSON web tokens, well-formed or not
        r"AIza[0-9A-Za-z_-]{35}",  # Google
        r"\bhf_[A-Za-z0-9]{30,}",  # Hugging Face
        r"\bgithub_pat_[0-9A-Za-z_]{22,}",
        r"\bsk-(?:ant|proj|or|svcacct)-[0-9A-Za-z_-]{20,}",  # Anthropic, OpenAI, OpenRouter
        r"(?i)\bbearer\s+([0-9a-z._~+/-]{16,}=*)",
        # npm, Groq, Replicate, Linear, xAI, Databricks, DigitalOcean, Shopify, Supabase, Stripe's
        # webhooks, Google's OAuth, Vault, Slack's apps, age
        r"(?<![A-Za-z0-9])(?:npm_[A-Za-z0-9]{36}|gsk_[A-Za-z0-9]{40}|r8_[A-Za-z0-9]{30}"
        r"|lin_api_[A-Za-z0-9]{32}|xai-[A-Za-z0-9]{40}|dapi[0-9a-f]{32}|do[opr]_v1_[0-9a-f]{40}"
        r"|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|sbp_[0-9a-f]{32}|whsec_[A-Za-z0-9+/]{24}"
        r"|GOCSPX-[\w-]{20}|ya29\.[\w-]{20}|hv[sb]\.(?=[\w-]{0,99}[0-9])(?=[\w-]{0,99}[A-Z])[\w-]{20}|xapp-\d-[A-Za-z0-9-]{20}"
        r"|AGE-SECRET-KEY-1[0-9A-Z]{40})",
        r"discord(?:app)?\.com/api/webhooks/\d{1,30}/([\w-]{20,200})",
        # Azure
        r"[?&;]sig=(?=[A-Za-z+/=_-]{0,99}[0-9%])(?![A-Za-z0-9%+/=_-]{0,200}\()"
        r"([A-Za-z0-9%+/=_-]{20,200})",
    )
)
