"""Currency: the active currencies of ISO 4217, by letters and by number, with their decimals.

Codes without a minor unit (gold, special drawing rights, the test code XTS) are left out on purpose:
nothing can be owed in them. Start at currency().
"""

from __future__ import annotations

from dataclasses import dataclass

from feiqian.kernel.errors import Refused


class UnknownCurrency(Refused):
    """There is no such currency here. Use the three capital letters of ISO 4217, like CNY."""

    code, status, zh = "unknown_currency", 422, "没有这种货币，请使用 ISO 4217 的三位大写字母代码，例如 CNY。"


@dataclass(frozen=True, slots=True)
class Currency:
    """One currency. exponent: decimals of the minor unit, 0 to 4, so 2 for CNY (1 yuan = 100 fen)."""

    code: str
    number: int
    exponent: int
    name: str
    zh: str

    @property
    def number_text(self) -> str:
        """The numeric code as messages carry it: three digits, `008` for ALL."""
        return f"{self.number:03}"

    @property
    def scale(self) -> int:
        """Minor units in one major unit: 100 for CNY, 1 for JPY, 1000 for BHD."""
        return int(10**self.exponent)


def currency(code: object, param: str | None = None) -> Currency:
    """The currency with these three capital letters.

    param: the input field meant, for the answer. Raises: UnknownCurrency, also for anything not text.
    """
    found = BY_CODE.get(code) if isinstance(code, str) else None
    if found is None:
        raise UnknownCurrency(param)
    return found


def currency_by_number(number: int | str, param: str | None = None) -> Currency:
    """The currency with this numeric code, as a number (156) or as three digits ("156").

    Raises: UnknownCurrency.
    """
    found = _BY_NUMBER_TEXT.get(number) if isinstance(number, str) else BY_NUMBER.get(number)
    if found is None:
        raise UnknownCurrency(param)
    return found


# Letters | number | decimals | English | Chinese. Source: ISO 4217 list one, amendments to 1 January 2026
# (Bulgaria in the euro area, Caribbean guilder, Zimbabwe gold).
_TABLE = """
AED|784|2|UAE dirham|阿联酋迪拉姆
AFN|971|2|Afghan afghani|阿富汗尼
ALL|008|2|Albanian lek|阿尔巴尼亚列克
AMD|051|2|Armenian dram|亚美尼亚德拉姆
AOA|973|2|Angolan kwanza|安哥拉宽扎
ARS|032|2|Argentine peso|阿根廷比索
AUD|036|2|Australian dollar|澳大利亚元
AWG|533|2|Aruban florin|阿鲁巴弗罗林
AZN|944|2|Azerbaijani manat|阿塞拜疆马纳特
BAM|977|2|Bosnia and Herzegovina convertible mark|波黑可兑换马克
BBD|052|2|Barbados dollar|巴巴多斯元
BDT|050|2|Bangladeshi taka|孟加拉塔卡
BHD|048|3|Bahraini dinar|巴林第纳尔
BIF|108|0|Burundi franc|布隆迪法郎
BMD|060|2|Bermuda dollar|百慕大元
BND|096|2|Brunei dollar|文莱元
BOB|068|2|Bolivian boliviano|玻利维亚诺
BOV|984|2|Bolivian mvdol|玻利维亚资金
BRL|986|2|Brazilian real|巴西雷亚尔
BSD|044|2|Bahamian dollar|巴哈马元
BTN|064|2|Bhutanese ngultrum|不丹努尔特鲁姆
BWP|072|2|Botswana pula|博茨瓦纳普拉
BYN|933|2|Belarusian ruble|白俄罗斯卢布
BZD|084|2|Belize dollar|伯利兹元
CAD|124|2|Canadian dollar|加拿大元
CDF|976|2|Congolese franc|刚果法郎
CHE|947|2|WIR euro|WIR 欧元
CHF|756|2|Swiss franc|瑞士法郎
CHW|948|2|WIR franc|WIR 法郎
CLF|990|4|Chilean unit of account|智利记账单位
CLP|152|0|Chilean peso|智利比索
CNY|156|2|Chinese yuan|人民币
COP|170|2|Colombian peso|哥伦比亚比索
COU|970|2|Colombian real value unit|哥伦比亚实际价值单位
CRC|188|2|Costa Rican colon|哥斯达黎加科朗
CUP|192|2|Cuban peso|古巴比索
CVE|132|2|Cape Verdean escudo|佛得角埃斯库多
CZK|203|2|Czech koruna|捷克克朗
DJF|262|0|Djibouti franc|吉布提法郎
DKK|208|2|Danish krone|丹麦克朗
DOP|214|2|Dominican peso|多米尼加比索
DZD|012|2|Algerian dinar|阿尔及利亚第纳尔
EGP|818|2|Egyptian pound|埃及镑
ERN|232|2|Eritrean nakfa|厄立特里亚纳克法
ETB|230|2|Ethiopian birr|埃塞俄比亚比尔
EUR|978|2|Euro|欧元
FJD|242|2|Fiji dollar|斐济元
FKP|238|2|Falkland Islands pound|福克兰群岛镑
GBP|826|2|Pound sterling|英镑
GEL|981|2|Georgian lari|格鲁吉亚拉里
GHS|936|2|Ghanaian cedi|加纳塞地
GIP|292|2|Gibraltar pound|直布罗陀镑
GMD|270|2|Gambian dalasi|冈比亚达拉西
GNF|324|0|Guinean franc|几内亚法郎
GTQ|320|2|Guatemalan quetzal|危地马拉格查尔
GYD|328|2|Guyana dollar|圭亚那元
HKD|344|2|Hong Kong dollar|港元
HNL|340|2|Honduran lempira|洪都拉斯伦皮拉
HTG|332|2|Haitian gourde|海地古德
HUF|348|2|Hungarian forint|匈牙利福林
IDR|360|2|Indonesian rupiah|印尼盾
ILS|376|2|Israeli new shekel|以色列新谢克尔
INR|356|2|Indian rupee|印度卢比
IQD|368|3|Iraqi dinar|伊拉克第纳尔
IRR|364|2|Iranian rial|伊朗里亚尔
ISK|352|0|Icelandic krona|冰岛克朗
JMD|388|2|Jamaican dollar|牙买加元
JOD|400|3|Jordanian dinar|约旦第纳尔
JPY|392|0|Japanese yen|日元
KES|404|2|Kenyan shilling|肯尼亚先令
KGS|417|2|Kyrgyzstani som|吉尔吉斯斯坦索姆
KHR|116|2|Cambodian riel|柬埔寨瑞尔
KMF|174|0|Comorian franc|科摩罗法郎
KPW|408|2|North Korean won|朝鲜元
KRW|410|0|South Korean won|韩元
KWD|414|3|Kuwaiti dinar|科威特第纳尔
KYD|136|2|Cayman Islands dollar|开曼群岛元
KZT|398|2|Kazakhstani tenge|哈萨克斯坦坚戈
LAK|418|2|Lao kip|老挝基普
LBP|422|2|Lebanese pound|黎巴嫩镑
LKR|144|2|Sri Lankan rupee|斯里兰卡卢比
LRD|430|2|Liberian dollar|利比里亚元
LSL|426|2|Lesotho loti|莱索托洛蒂
LYD|434|3|Libyan dinar|利比亚第纳尔
MAD|504|2|Moroccan dirham|摩洛哥迪拉姆
MDL|498|2|Moldovan leu|摩尔多瓦列伊
MGA|969|2|Malagasy ariary|马达加斯加阿里亚里
MKD|807|2|Macedonian denar|北马其顿第纳尔
MMK|104|2|Myanmar kyat|缅甸元
MNT|496|2|Mongolian tugrik|蒙古图格里克
MOP|446|2|Macao pataca|澳门元
MRU|929|2|Mauritanian ouguiya|毛里塔尼亚乌吉亚
MUR|480|2|Mauritian rupee|毛里求斯卢比
MVR|462|2|Maldivian rufiyaa|马尔代夫拉菲亚
MWK|454|2|Malawian kwacha|马拉维克瓦查
MXN|484|2|Mexican peso|墨西哥比索
MXV|979|2|Mexican investment unit|墨西哥投资单位
MYR|458|2|Malaysian ringgit|马来西亚林吉特
MZN|943|2|Mozambican metical|莫桑比克梅蒂卡尔
NAD|516|2|Namibian dollar|纳米比亚元
NGN|566|2|Nigerian naira|尼日利亚奈拉
NIO|558|2|Nicaraguan cordoba|尼加拉瓜科多巴
NOK|578|2|Norwegian krone|挪威克朗
NPR|524|2|Nepalese rupee|尼泊尔卢比
NZD|554|2|New Zealand dollar|新西兰元
OMR|512|3|Omani rial|阿曼里亚尔
PAB|590|2|Panamanian balboa|巴拿马巴波亚
PEN|604|2|Peruvian sol|秘鲁索尔
PGK|598|2|Papua New Guinean kina|巴布亚新几内亚基那
PHP|608|2|Philippine peso|菲律宾比索
PKR|586|2|Pakistani rupee|巴基斯坦卢比
PLN|985|2|Polish zloty|波兰兹罗提
PYG|600|0|Paraguayan guarani|巴拉圭瓜拉尼
QAR|634|2|Qatari riyal|卡塔尔里亚尔
RON|946|2|Romanian leu|罗马尼亚列伊
RSD|941|2|Serbian dinar|塞尔维亚第纳尔
RUB|643|2|Russian ruble|俄罗斯卢布
RWF|646|0|Rwandan franc|卢旺达法郎
SAR|682|2|Saudi riyal|沙特里亚尔
SBD|090|2|Solomon Islands dollar|所罗门群岛元
SCR|690|2|Seychelles rupee|塞舌尔卢比
SDG|938|2|Sudanese pound|苏丹镑
SEK|752|2|Swedish krona|瑞典克朗
SGD|702|2|Singapore dollar|新加坡元
SHP|654|2|Saint Helena pound|圣赫勒拿镑
SLE|925|2|Sierra Leonean leone|塞拉利昂利昂
SOS|706|2|Somali shilling|索马里先令
SRD|968|2|Surinamese dollar|苏里南元
SSP|728|2|South Sudanese pound|南苏丹镑
STN|930|2|Sao Tome and Principe dobra|圣多美和普林西比多布拉
SVC|222|2|Salvadoran colon|萨尔瓦多科朗
SYP|760|2|Syrian pound|叙利亚镑
SZL|748|2|Eswatini lilangeni|斯威士兰里兰吉尼
THB|764|2|Thai baht|泰铢
TJS|972|2|Tajikistani somoni|塔吉克斯坦索莫尼
TMT|934|2|Turkmenistan manat|土库曼斯坦马纳特
TND|788|3|Tunisian dinar|突尼斯第纳尔
TOP|776|2|Tongan paanga|汤加潘加
TRY|949|2|Turkish lira|土耳其里拉
TTD|780|2|Trinidad and Tobago dollar|特立尼达和多巴哥元
TWD|901|2|New Taiwan dollar|新台币
TZS|834|2|Tanzanian shilling|坦桑尼亚先令
UAH|980|2|Ukrainian hryvnia|乌克兰格里夫纳
UGX|800|0|Ugandan shilling|乌干达先令
USD|840|2|US dollar|美元
USN|997|2|US dollar (next day)|美元（次日）
UYI|940|0|Uruguayan peso in indexed units|乌拉圭指数化比索
UYU|858|2|Uruguayan peso|乌拉圭比索
UYW|927|4|Uruguayan pension unit|乌拉圭养老金单位
UZS|860|2|Uzbekistani sum|乌兹别克斯坦苏姆
VED|926|2|Venezuelan digital bolivar|委内瑞拉数字玻利瓦尔
VES|928|2|Venezuelan sovereign bolivar|委内瑞拉主权玻利瓦尔
VND|704|0|Vietnamese dong|越南盾
VUV|548|0|Vanuatu vatu|瓦努阿图瓦图
WST|882|2|Samoan tala|萨摩亚塔拉
XAD|396|2|Arab accounting dinar|阿拉伯记账第纳尔
XAF|950|0|Central African CFA franc|中非法郎
XCD|951|2|East Caribbean dollar|东加勒比元
XCG|532|2|Caribbean guilder|加勒比盾
XOF|952|0|West African CFA franc|西非法郎
XPF|953|0|CFP franc|太平洋法郎
YER|886|2|Yemeni rial|也门里亚尔
ZAR|710|2|South African rand|南非兰特
ZMW|967|2|Zambian kwacha|赞比亚克瓦查
ZWG|924|2|Zimbabwe gold|津巴布韦金
"""


def _read(line: str) -> Currency:
    code, number, exponent, name, zh = line.split("|")
    return Currency(code, int(number), int(exponent), name, zh)


BY_CODE: dict[str, Currency] = {one.code: one for one in map(_read, _TABLE.split("\n")[1:-1])}
BY_NUMBER: dict[int, Currency] = {one.number: one for one in BY_CODE.values()}
_BY_NUMBER_TEXT: dict[str, Currency] = {one.number_text: one for one in BY_CODE.values()}
