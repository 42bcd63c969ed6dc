import attrs

from tests.calls import COMPANY_ARG, Row, page

_KEYS = "/v2/agency/companies/7/api_keys"
_CREATION = Row("POST", _KEYS, {"api_key": "1.a"}, (COMPANY_ARG, "crm"), body={"label": "crm"}, one_request=False)

ROWS: dict[str, Row] = {
    "agency.api_keys.list": Row("GET", f"{_KEYS}?page=1", page({"api_key": "1.a", "label": None}), (COMPANY_ARG,)),
    "agency.api_keys.create": _CREATION,
    "agency.api_keys.ensure": _CREATION,
    "agency.api_keys.create_once": attrs.evolve(_CREATION, one_request=True),
}
