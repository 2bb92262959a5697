"""The table of diagnostic codes: what each means, what to do, and what brings it up.

A code's first letter is its severity: ``E-`` an error, what it is about is not served; ``W-`` a
warning, served with an assumption, an error under ``--strict``; ``I-`` a notice.
Codes are stable: one that is no longer given keeps its row. ``docs/diagnostics.md`` is this table.
"""

from collections.abc import Mapping
from textwrap import dedent

from msgspec import Struct

from naftiko_run.findings import Severity

_SEVERITIES = {"E": Severity.ERROR, "W": Severity.WARNING, "I": Severity.NOTICE}


class Code(Struct, frozen=True):
    """One code; ``example`` is the part of a document (or the command) that brings it up."""

    code: str
    title: str
    meaning: str
    fix: str
    example: str

    @property
    def severity(self) -> Severity:
        """How much it weighs without ``--strict``."""
        return _SEVERITIES[self.code[0]]


def _code(code: str, title: str, meaning: str, fix: str, example: str) -> Code:
    return Code(code, title, _line(meaning), _line(fix), dedent(example).strip("\n"))


def _line(text: str) -> str:
    return " ".join(text.split())


_FILES = (
    _code(
        "E-FILE",
        "The file cannot be read",
        """It is missing, a folder, a device, larger than 10 MB, empty, or not text in UTF-8 (or
        UTF-16 or UTF-32). Nothing of it is served.""",
        "Name a YAML file that this user may read, and save it as UTF-8.",
        "naftiko-run no-such-file.yaml",
    ),
    _code(
        "E-YAML",
        "The file is not YAML",
        """It breaks the syntax of YAML 1.2, gives a key twice, has more than one document, or goes
        beyond a limit: a million values, 100 levels, 50,000 values through aliases. Nothing of it
        is served.""",
        "Mend the line; usually quotes are missing around a template or a text with a colon.",
        """
        description: Keys: create and revoke
        """,
    ),
    _code(
        "E-TRUNCATED",
        "A copy that was cut, and no longer servable",
        """The index that published this copy has cut it at a size. It does not parse any more, or
        the part that exposes something is lost.""",
        "Get the full source; its address is in the last line of the copy.",
        """
        operations:
          - method: POST
            na

        # --- truncated at 32 KB (67 KB total) ---
        # Full source: https://example.com/full.yaml
        """,
    ),
    _code(
        "W-TRUNCATED",
        "A copy that was cut, but still parses",
        """The index that published this copy has cut it at a size. What is left is served; what was
        cut off is not, nor is a last unit that lost its call.""",
        "Get the full source; its address is in the last line of the copy.",
        """
              call: qovery.list-clusters

        # --- truncated at 32 KB (48 KB total) ---
        # Full source: https://example.com/full.yaml
        """,
    ),
    _code(
        "E-NOT-CAPABILITY",
        "Not a Naftiko document",
        "The root is not a mapping, or has neither a 'naftiko' nor an 'ikanos' key.",
        "Add the language's version at the root, or leave the file out.",
        """
        name: chat-routing
        tools: []
        """,
    ),
    _code(
        "E-NO-CAPABILITY",
        "No capability in the document",
        "There is nothing to serve, and nothing that another file could import.",
        "Add 'capability'.",
        """
        naftiko: "1.0.0-alpha2"
        info: {label: Ships, description: Ships at sea.}
        """,
    ),
    _code(
        "I-SHARED",
        "A file that only shares definitions with others",
        """It has no 'capability' but sections that other files import: it is read and checked, and
        nothing of it is served by itself.""",
        "Leave it, and serve the capability that imports it.",
        """
        naftiko: "1.0.0-alpha2"
        consumes: [{type: http, namespace: ships, baseUri: 'https://ships.example'}]
        """,
    ),
    _code(
        "E-NO-EXPOSES",
        "Nothing is exposed",
        "'capability.exposes' is missing or empty.",
        "Add an adapter of type rest or mcp.",
        """
        capability:
          consumes: [{type: http, namespace: ships, baseUri: "https://api.example.com"}]
        """,
    ),
    _code(
        "W-VERSION",
        "An unknown version of the language",
        "The document is read as the newest version that is known.",
        "Write a version that this runtime knows.",
        'naftiko: "0.5"',
    ),
    _code(
        "W-ROOT-KEY",
        "A root key without a meaning",
        "The key is ignored.",
        "Remove it.",
        """
        naftiko: "1.0.0-alpha2"
        servers: [{url: "https://api.example.com"}]
        """,
    ),
    _code(
        "W-CAPABILITY-KEY",
        "A key of 'capability' without a meaning",
        "The key is ignored.",
        "Remove it, or move what it holds into 'exposes'.",
        """
        capability:
          workflow: [first, second]
        """,
    ),
    _code(
        "W-KEY-UNKNOWN",
        "A key that the language does not have",
        """The key is ignored. Equal keys in equal places are told once, with their number; under
        --strict each of them.""",
        "Correct the name if one is suggested, or remove the key.",
        """
        tools:
          - name: list-ships
            descripton: All ships.
        """,
    ),
    _code(
        "W-SCHEMA",
        "A value that does not fit the language",
        """A value has the wrong type or form, or something that must be there is missing. It is
        served as far as the value makes sense; where it makes none, an error says so. Published
        deviations that have a meaning here are only told under --strict.""",
        "Write what the message asks for.",
        """
        hints:
          readOnly: yes
        """,
    ),
    _code(
        "E-TYPE",
        "A value of the wrong type",
        "Something that has to be a text, a mapping or a list is something else, and is left out.",
        "Write what the message asks for.",
        "with: rest.name",
    ),
    _code(
        "I-NOT-SERVED",
        "A part of the language that is accepted but not served",
        """The adapter is left out; everything else is served. What a control adapter says of
        scripts counts all the same.""",
        "Leave it: it does no harm. Or remove it.",
        "exposes: [{type: control, port: 9900}]",
    ),
    _code(
        "E-FORWARD",
        "A forward that leads nowhere",
        """It names no consumed namespace, one that is not there, or one whose credential belongs
        into the body of each request. The resource answers 501.""",
        "Write the namespace of a consumed API as 'targetNamespace'.",
        """
        resources:
          - path: /proxy/{path}
            forward: {targetNamespace: shps}
        """,
    ),
    _code(
        "W-FORWARD-HEADER",
        "A trusted header field that is not passed on",
        """Its name is none, or it belongs to one connection or chooses the host (Host, Connection,
        Transfer-Encoding and the like). The other fields are passed on.""",
        "Remove it, or correct the name.",
        """
        forward: {targetNamespace: ships, trustedHeaders: [X-Trace, Host]}
        """,
    ),
    _code(
        "W-FORWARD-CREDENTIAL",
        "A caller's credential that goes on to an API",
        """A forward trusts the very header field that callers of its adapter authenticate with, so
        the API gets what opens this adapter. It is passed on as asked.""",
        """Remove the field from 'trustedHeaders', and give the consumed API an 'authentication' of
        its own, which then counts. Leave it only where both are to take the same credential.""",
        """
        exposes:
          - type: rest
            authentication: {type: bearer, token: "{{TOKEN}}"}
            resources:
              - path: /proxy/{path}
                forward: {targetNamespace: ships, trustedHeaders: [Authorization]}
        """,
    ),
    _code(
        "E-UNSUPPORTED",
        "A part of the language that is not served",
        "The unit uses something that this version of the runtime does not do; it is left out.",
        "Write it another way; the message says which.",
        """
        tools:
          - name: open-ships
            steps: [{type: wait, name: open}]
        """,
    ),
)

_MIGRATION = (
    _code(
        "E-MIGRATE",
        "Something that the other version of the language cannot say",
        "'naftiko-run migrate' writes nothing.",
        "Remove it, or write it another way; or migrate to a version that has it.",
        """
        capability:
          aggregates: [{label: Ships, namespace: ships, functions: [{name: get, call: ships.get}]}]
        """,
    ),
    _code(
        "I-MIGRATE",
        "Something that was left out, or left as it was, by 'naftiko-run migrate'",
        "The other version of the language does not have it; what is served stays the same.",
        "Nothing, unless you miss it.",
        "info: {display: Ships, description: Ships at sea., version: '2'}",
    ),
)

_IMPORTS = (
    _code(
        "W-IMPORT",
        "A form of import that the language does not have",
        "What published files use is understood: 'ref', and 'import' or 'imports' at the root.",
        "Write it as an entry of 'consumes' with 'import' and 'location'.",
        "imports: [./shared/ships.yaml]",
    ),
    _code(
        "E-IMPORT",
        "An import without a location",
        "It cannot be followed; what it should bring is missing.",
        "Add 'location' with the path of the file.",
        "consumes: [{import: ships}]",
    ),
    _code(
        "E-IMPORT-OPENAPI",
        "An import of an OpenAPI document",
        "This is not part of the language; the units that call it are left out.",
        "Write the operations as a 'consumes' entry of type http.",
        "consumes: [{openapi: ships, location: ../openapi/ships.yml}]",
    ),
    _code(
        "E-CALL-IMPORT",
        "The file to import is not there",
        """The file was not found in the folders where imports are looked for, cannot be read, or
        does not have the namespace. The units that call it are left out, the rest is served.""",
        "Put the file there, or name its folder with --import-path.",
        "consumes: [{import: ships, location: ./shared/ships.yaml}]",
    ),
    _code(
        "E-IMPORT-TARGET",
        "An import of something that is not there",
        """What an entry of 'exposes', 'aggregates' or 'binds' imports was not found: the file is
        not in the folders where imports are looked for, cannot be read, or does not have the
        namespace. The rest is served.""",
        "Put the file there, name its folder with --import-path, or correct the namespace.",
        "exposes: [{import: ships, from: ./shared/ships-rest.yaml}]",
    ),
    _code(
        "W-IMPORT-NESTED",
        "An import inside an imported file",
        "It is not followed: a file brings what it defines itself.",
        "Import that file from the capability itself.",
        "consumes: [{import: ports, from: ./ports.yaml}]",
    ),
)

_VARIABLES = (
    _code(
        "W-BIND-DUP",
        "A variable that two binds of one namespace declare differently",
        "The first that has a value counts.",
        "Give each bind a namespace of its own, or import one with 'as'.",
        """
        binds:
          - {namespace: env, keys: {SHIPS_TOKEN: SHIPS_TOKEN}}
          - {namespace: env, keys: {SHIPS_TOKEN: OTHER_TOKEN}}
        """,
    ),
    _code(
        "W-VAR-UNDECLARED",
        "A variable that no bind declares",
        "Its value is taken from the environment under its own name.",
        "Declare it in 'binds'.",
        'authentication: {type: bearer, token: "{{SHIPS_TOKEN}}"}',
    ),
    _code(
        "W-VAR-LITERAL",
        "A variable without braces",
        "A text like 'env.NAME' as a value of 'with' is read as that variable.",
        "Write it as a template.",
        "with: {account: env.SHIPS_ACCOUNT}",
    ),
    _code(
        "I-VAR-UNSET",
        "A variable without a value",
        "Calls that need it are answered with 503 or isError; everything else works.",
        "Set it in the environment, with --env-file or with --var.",
        "binds: [{namespace: env, keys: {SHIPS_TOKEN: SHIPS_TOKEN}}]",
    ),
    _code(
        "W-BIND-LOCATION",
        "A place for variables that is not supported",
        "Its variables have no value from there.",
        "Use a file:// location, or none for the environment.",
        "binds: [{namespace: vault, location: 'vault://secrets', keys: {TOKEN: token}}]",
    ),
    _code(
        "W-BIND-FILE",
        "A file of variables that cannot be read",
        "It is missing, or is not a flat map of names to texts. Its variables have no value.",
        "Create it, as JSON, YAML or lines of NAME=VALUE.",
        "binds: [{namespace: local, location: 'file:///./secrets.yaml', keys: {TOKEN: token}}]",
    ),
    _code(
        "E-FILTER",
        "An unknown filter in a template",
        "What stands after the bar is not a filter of this runtime.",
        "Use a filter that the message names.",
        'value: "{{tools.name | upper}}"',
    ),
    _code(
        "W-TEMPLATE",
        "A section, or another part of Mustache that templates here do not have",
        "The text is sent as it is written. Templates here have names and filters.",
        "Fill in a whole value: an array or object is written as JSON.",
        'body: \'{"ids": [{{#ids}}"{{.}}",{{/ids}}]}\'',
    ),
)

_CONSUMED = (
    _code(
        "E-BASEURI-MISSING",
        "No base URI with a host",
        "The units that call this API are left out until an address is given.",
        "Write 'baseUri', or start with --upstream NAMESPACE=URL.",
        "consumes: [{type: http, namespace: ships, baseUri: /api/v2}]",
    ),
    _code(
        "E-UPSTREAM-SCHEME",
        "An upstream that is not HTTP",
        "The units that call this API are left out.",
        "Use http or https, or start with --upstream NAMESPACE=URL.",
        "baseUri: tcp://localhost:8194",
    ),
    _code(
        "W-BASEURI-SCHEME",
        "A base URI without a scheme",
        "https is used.",
        "Write https:// before it.",
        "baseUri: api.example.com/v1",
    ),
    _code(
        "W-BASEURI-PLACEHOLDER",
        "A placeholder in a base URI that nothing resolves",
        "Calls to this API fail until the placeholder has a value.",
        "Start with --var NAME=VALUE, or --upstream NAMESPACE=URL.",
        'baseUri: "https://{region}.example.com"',
    ),
    _code(
        "W-NS-DUP",
        "A namespace that is consumed twice",
        "The operations are merged; of two with one name the first counts.",
        "Give each API a namespace of its own.",
        """
        consumes:
          - {type: http, namespace: ships, baseUri: "https://a.example.com"}
          - {type: http, namespace: ships, baseUri: "https://b.example.com"}
        """,
    ),
    _code(
        "W-OP-DUP",
        "An operation that is defined twice",
        "The first one counts, also for the units that call it.",
        "Rename one of them.",
        """
        operations:
          - {name: list, method: GET}
          - {name: list, method: POST}
        """,
    ),
    _code(
        "W-OP-METHOD",
        "An operation without a method",
        "GET is assumed.",
        "Add 'method'.",
        "operations: [{name: list-ships}]",
    ),
    _code(
        "W-PATHPARAM-APPENDED",
        "A path parameter without a placeholder",
        "Its value is appended to the path as a further segment; --strict-paths refuses that.",
        "Write the placeholder into the path.",
        """
        path: /ships
        operations:
          - {name: get-ship, method: GET, inputParameters: [{name: shipId, in: path}]}
        """,
    ),
    _code(
        "E-PATHPARAM",
        "A path parameter without a placeholder, under --strict-paths",
        "The units that call the operation are left out.",
        "Write the placeholder into the path.",
        """
        path: /ships
        operations:
          - {name: get-ship, method: GET, inputParameters: [{name: shipId, in: path}]}
        """,
    ),
    _code(
        "W-PATH-FRAGMENT",
        "A fragment in a consumed path",
        "What follows '#' is never sent.",
        "Remove it.",
        "path: /#DescribeTable",
    ),
    _code(
        "W-PARAM-UNNAMED",
        "A parameter without a name",
        "It is ignored.",
        "Add 'name'.",
        "inputParameters: [{in: query, type: string}]",
    ),
    _code(
        "W-PARAM-DUP",
        "A parameter that is given twice in one place",
        "The first one counts.",
        "Remove one of them.",
        "inputParameters: [{name: page, in: query}, {name: page, in: query}]",
    ),
    _code(
        "W-PARAM-VALUE",
        "A value of a parameter that breaks what is declared beside it",
        """A default, a constant, a variable or a value of 'enum' has not the type that is declared,
        or breaks 'pattern' or another keyword; or a path into the body is the value of a parameter
        that is not in the body. The message says how it is served.""",
        "Correct the value, or what is declared of it.",
        "inputParameters: [{name: page, in: query, type: integer, default: first}]",
    ),
    _code(
        "W-BODY-TYPE",
        "A body of a type that is not known",
        "It is sent as raw text.",
        "Use json, formUrlEncoded, multipartForm, text or xml.",
        "body: {type: cbor, data: {value: 1}}",
    ),
    _code(
        "W-RESPONSE",
        "A promised response that cannot be kept",
        """'responses' and 'responseBinary' stand together ('responseBinary' counts then), a status
        or a media type is none, or a binary response is promised of an operation whose
        'outputRawFormat' is not 'binary'. What cannot be kept is left out.""",
        "Write what the message asks for.",
        """
        operations:
          - {method: GET, call: shop.get-photo, responseBinary: {mediaType: image}}
        """,
    ),
    _code(
        "E-FORMAT",
        "A raw format that cannot be read",
        """There is no such format, it needs an 'outputSchema', or a library that reads it is not
        installed. The units that call the operation are left out.""",
        "Use a format that the message names, or install what it asks for.",
        "operations: [{name: list-ships, method: GET, outputRawFormat: ini}]",
    ),
    _code(
        "E-FORMAT-SCHEMA",
        "An 'outputSchema' that cannot be used",
        """The schema file (Avro, Protobuf) is missing, lies outside the folders that may be read,
        or is no schema; or the CSS selector (HTML) is none. The units that call the operation are
        left out.""",
        "Put the file beside the capability file, or mend it.",
        """
        operations:
          - {name: get-ship, method: GET, outputRawFormat: protobuf, outputSchema: ./ship.proto}
        """,
    ),
    _code(
        "E-FOREACH",
        "'forEach' without its two names",
        "The operation is left out, with the units that call it.",
        "Name an array parameter, and with 'as' one element of it.",
        "forEach: keyIds",
    ),
)

_AUTHENTICATION = (
    _code(
        "W-AUTH-UNSUPPORTED",
        "An authentication scheme that is not supported",
        "Calls are refused: nothing is sent without the credentials that the API expects.",
        "Use a scheme that the message names.",
        "authentication: {type: hmac, apiId: '{{API_ID}}', apiKey: '{{API_KEY}}'}",
    ),
    _code(
        "W-AUTH-COMPUTED",
        "A credential that needs a computed value",
        "Nobody defines the value; the environment variable of that name is used.",
        "Declare a variable, or use a scheme that computes the signature.",
        'authentication: {type: bearer, token: "HMAC {{KEY}}:{{signature}}"}',
    ),
    _code(
        "W-AUTH-UNSIGNED",
        "A signature that is a fixed text",
        "It is sent as it is written, which no server accepts as a signature.",
        "Use a scheme that computes the signature.",
        'authentication: {type: bearer, token: "AWS4-HMAC-SHA256 {{KEY}}"}',
    ),
    _code(
        "W-AUTH-NO-SECRET",
        "An authentication without a secret",
        "Requests are sent without it.",
        "Add the value, as a variable.",
        "authentication: {type: apikey, key: X-Api-Key, placement: header}",
    ),
    _code(
        "W-AUTH-PARAM",
        "A parameter that the credential already fills",
        "The parameter is dropped from the inputs.",
        "Remove it.",
        "inputParameters: [{name: Authorization, in: header}]",
    ),
)

_RULES = (
    _code(
        "W-NS-SHARED",
        "A bind with the namespace of an adapter",
        "In texts its name means the arguments of the adapter's caller, not the variables.",
        "Give the bind a namespace of its own.",
        """
        binds: [{namespace: ships, keys: {SHIPS_TOKEN: SHIPS_TOKEN}}]
        capability:
          exposes: [{type: mcp, port: 9090, namespace: ships}]
        """,
    ),
    _code(
        "W-AGGREGATE-UNNAMED",
        "An aggregate without a namespace",
        "Nothing can refer to its flows.",
        "Add 'namespace'.",
        "aggregates: [{display: Ships, flows: {get: {description: One., call: ships.get}}}]",
    ),
    _code(
        "W-SEMANTICS",
        "A unit that promises something else than its flow",
        "The hints of a tool, or the method of a route, contradict the 'semantics' of the flow.",
        "Correct one of them.",
        """
        tools: [{name: get, ref: ships.get, hints: {readOnly: false}}]
        aggregates:
          - {label: Ships, namespace: ships, functions: [{name: get, semantics: {safe: true}}]}
        """,
    ),
    _code(
        "W-AUTH-LITERAL",
        "A credential in the file",
        "It is used as it is written; everybody who can read the file has it.",
        "Write a variable, and give it a value from outside.",
        "authentication: {type: bearer, token: sk-12345}",
    ),
    _code(
        "W-AUTH-STDIO",
        "An authentication of an adapter that speaks over stdin and stdout",
        "It is not used: whoever starts the process is its caller.",
        "Remove it, or write 'transport: http'.",
        """
        exposes:
          - type: mcp
            transport: stdio
            namespace: ships
            authentication: {type: bearer, token: "{{TOKEN}}"}
        """,
    ),
    _code(
        "W-OAUTH-HTTP",
        "An address of OAuth 2 that is not https",
        "What is sent there can be read and changed on the way.",
        "Write https://.",
        """
        authentication:
          type: oauth2
          authorizationServerUri: http://login.example.com
          resource: https://ships.example.com
        """,
    ),
    _code(
        "W-CONTROL",
        "A control adapter that is not alone",
        "There is more than one, or another adapter has its port.",
        "Keep one, on a port of its own.",
        "exposes: [{type: control, port: 9900}, {type: control, port: 9901}]",
    ),
    _code(
        "W-TEXT-SCRIPT",
        "Code in a description",
        "A page that shows the text might run it. Here it is shown as text.",
        "Describe it in words.",
        "info: {label: Ships, description: \"<script>alert('ship')</script>\"}",
    ),
)

_UNITS = (
    _code(
        "E-AUTH-EXPOSED",
        "Callers cannot be authenticated this way",
        "The scheme is unknown, or the clause lacks what it needs. Nothing of the adapter is"
        " served, as serving it to everybody is what nobody asked for.",
        "Add what the message names, or use another scheme.",
        "exposes: [{type: rest, authentication: {type: digest, username: desk}}]",
    ),
    _code(
        "E-CALL-MISSING",
        "A unit that calls nothing",
        "It has none of 'call', 'steps', 'ref' and mock outputs, and is left out.",
        "Add 'call: namespace.operation'.",
        "tools: [{name: list-ships, description: All ships., operation: list-ships}]",
    ),
    _code(
        "E-CALL-SYNTAX",
        "A call that is not of the form namespace.operation",
        "The unit is left out.",
        "Write 'call: namespace.operation'.",
        "call: list-ships",
    ),
    _code(
        "E-CALL-NAMESPACE",
        "A call into a namespace that is not consumed",
        "The unit is left out. Nothing is guessed: a similar name may be another API.",
        "Correct the name, or add the namespace to 'consumes'.",
        "call: shipz.list-ships",
    ),
    _code(
        "E-CALL-OPERATION",
        "A call of an operation that does not exist",
        "The unit is left out. Nothing is guessed, but near names are suggested.",
        "Correct the name, or define the operation.",
        "call: ships.listships",
    ),
    _code(
        "W-WITH-UNKNOWN",
        "A key of 'with' that the operation does not know",
        "It is sent as a query parameter, or as a field of the body where the method has one.",
        "Correct the name, or declare the parameter.",
        "with: {ip_address: tools.ip}",
    ),
    _code(
        "W-WITH-LITERAL",
        "A text of 'with' that looks like an argument and is none",
        "It is sent as it stands.",
        "Write 'rest.NAME' in an operation, 'tools.NAME' in a tool.",
        "with: {imo: $tools.imo}",
    ),
    _code(
        "E-STEP",
        "A step without a name",
        "Steps find one another's output by name; the unit is left out.",
        "Add 'name'.",
        "steps: [{type: call, call: ships.get-ship}]",
    ),
    _code(
        "E-STEP-INDEX",
        "A lookup in a step that does not exist",
        "'index' names no step before this one; the unit is left out.",
        "Name an earlier step.",
        "steps: [{type: lookup, name: ship, index: shipz, match: imo, lookupValue: '{{imo}}'}]",
    ),
    _code(
        "W-STEP-PATH",
        "A path that begins with almost the name of a step",
        """A mapping or a 'lookupValue' reads the output of a step by its name, and no step has this
        one: there is nothing to read.""",
        "Write the name of the step.",
        """
        steps: {ship: {type: call, call: ships.get-ship}}
        mappings: [{target: name, value: $.shipp.name}]
        """,
    ),
    _code(
        "E-SCRIPT-LANGUAGE",
        "A script in no language that runs here",
        """A script step says no language, nor does 'defaultLanguage' of the control adapter; or it
        says one that has no engine here, or that 'allowedLanguages' does not have. Groovy needs a
        Java virtual machine. The unit is left out.""",
        "Write the script in JavaScript or Python, and say which.",
        "steps: [{type: script, name: a, language: groovy, location: 'file:///./', file: a.g}]",
    ),
    _code(
        "E-SCRIPT-FILE",
        "A script that cannot be read",
        """A script step names no file or no folder, or one of its files is missing, is no text in
        UTF-8, or is larger than 1 MB. The unit is left out.""",
        "Name the folder in 'location' and the file in it in 'file', and put them there.",
        "steps: [{type: script, name: a, language: python, file: a.py}]",
    ),
    _code(
        "E-SCRIPT-PATH",
        "A script outside its folder",
        """The path of a script or of a dependency has '..' or other characters than letters,
        digits, '.', '_' and '-', or a link leads out of 'location'. The unit is left out.""",
        "Put the file into the folder that 'location' names.",
        """
        steps:
          - {type: script, name: a, language: python, location: 'file:///./scripts', file: ../a.py}
        """,
    ),
    _code(
        "E-SCRIPT-SYNTAX",
        "A script that is not in its language",
        """The message says in which file of the script, at which line and column. The unit is left
        out.""",
        "Mend the script.",
        "steps: [{type: script, name: a, language: python, location: 'file:///./', file: a.js}]",
    ),
    _code(
        "E-SCRIPT-OFF",
        "A script where scripts are switched off",
        """'management.scripting.enabled' of the control adapter is false, or it says nothing and
        NAFTIKO_SCRIPTING (or IKANOS_SCRIPTING) is false. The unit is left out.""",
        "Switch scripts on, or remove the unit.",
        "exposes: [{type: control, port: 9900, management: {scripting: {enabled: false}}}]",
    ),
    _code(
        "W-FLOW-DUP",
        "A shared flow that is defined twice",
        "Two aggregates of one namespace have a flow of this name; the first one counts.",
        "Rename one of them, or import one with 'as'.",
        """
        aggregates:
          - {label: Ships, namespace: ships, functions: [{name: get, call: ships.get}]}
          - {label: Fleet, namespace: ships, functions: [{name: get, call: fleet.get}]}
        """,
    ),
    _code(
        "E-REF",
        "A reference to a shared flow that does not exist",
        "No aggregate has a flow of this name, or the flow refers to itself; the unit is left out.",
        "Use one of the flows that the message lists.",
        "tools: [{name: track, ref: parcels.trak}]",
    ),
    _code(
        "E-MAPPING",
        "A mapping that is no JSONPath",
        "The unit is left out.",
        "Write a path such as $.data.items.",
        "outputParameters: [{type: object, mapping: '$.[['}]",
    ),
    _code(
        "W-LENGTH",
        "'$.length' is read as the length of the array",
        "The response has no member of that name; in JSONPath the length is a function.",
        "Write '$.length()'.",
        "outputParameters: [{type: number, mapping: $.data.length}]",
    ),
)

_EXPOSED = (
    _code(
        "E-EXPOSES-TYPE",
        "An adapter of an unknown type",
        "It is left out.",
        "Use rest, mcp, skill or control.",
        "exposes: [{type: graphql, port: 8080, namespace: ships}]",
    ),
    _code(
        "E-EXPOSES-EMPTY",
        "An adapter that exposes nothing",
        "It has no resources, tools, prompts or skills, and is left out.",
        "Add one.",
        "exposes: [{type: mcp, port: 9090, namespace: ships}]",
    ),
    _code(
        "E-RESOURCE-URI",
        "A resource whose URI cannot be served",
        """It is missing, has no scheme, or is an earlier resource's; a variable is a name in braces
        and stands once; a folder has none. The resource is left out.""",
        "Write a URI such as data://ships/{imo}.",
        "resources: [{name: ship, uri: 'ships/{imo', call: registry.get-ship}]",
    ),
    _code(
        "E-RESOURCE-INPUT",
        "A resource that lacks an input",
        """What it reads needs an argument, and the arguments of a resource are the variables of its
        URI alone. The resource is left out.""",
        "Add the variable to the URI, or a value to 'with'.",
        "resources: [{name: ship, uri: 'data://ship', call: registry.get-ship}]",
    ),
    _code(
        "E-PROMPT",
        "A prompt that cannot be served",
        """It has no name, no messages or an earlier prompt's name, and is left out; a message in a
        role other than user or assistant is left out alone.""",
        "Add a name and a 'template' with messages.",
        "prompts: [{name: greet, template: [{role: system, content: Hello}]}]",
    ),
    _code(
        "W-PROMPT-PLACEHOLDER",
        "A placeholder that is almost an argument of its prompt",
        "No argument of the prompt has this name, so that the placeholder stays in the message.",
        "Write the name of the argument.",
        """
        prompts:
          - name: late
            arguments: [{name: order, description: The order.}]
            template: [{role: user, content: "Where is {{ordr}}?"}]
        """,
    ),
    _code(
        "E-CONTENT-FILE",
        "A folder or file of a resource or prompt that cannot be read",
        """It is missing, not readable or of the wrong kind, or larger than a prompt may be (1 MB).
        The resource or prompt is left out.""",
        "Check the name: file:///./x counts from the capability file, other paths are absolute.",
        "resources: [{name: guides, uri: 'docs://guides', location: 'file:///./guides'}]",
    ),
    _code(
        "E-PORT",
        "A port that does not exist",
        "The default port of the adapter's type is used instead.",
        "Use 1 to 65535.",
        "port: 80800",
    ),
    _code(
        "I-ADDRESS",
        "An address that is not used",
        "An address that other machines reach is used only if the command line asks for it too.",
        "Start with --host 0.0.0.0 to publish it.",
        "address: 0.0.0.0",
    ),
    _code(
        "W-ADAPTER-DUP",
        "Two adapters with one namespace",
        "The later one is served under a name with a number.",
        "Give each adapter a namespace of its own.",
        """
        exposes:
          - {type: rest, port: 8080, namespace: ships}
          - {type: mcp, port: 9090, namespace: ships}
        """,
    ),
    _code(
        "W-STDIO",
        "A stdio adapter that is served over HTTP",
        "This command serves over HTTP; 'naftiko-run stdio FILE' speaks over stdin and stdout.",
        "Write 'transport: http', or start it with 'stdio'.",
        "transport: stdio",
    ),
    _code(
        "E-ROUTE-SHADOWED",
        "A route that an earlier operation serves",
        "The earlier one is served and this one is left out; as an MCP tool it still works.",
        "Give it a path of its own.",
        """
        operations:
          - {method: GET, name: list-ships, call: ships.list-ships}
          - {method: GET, name: find-ship, call: ships.find-ship}
        """,
    ),
    _code(
        "W-ROUTE-FRAGMENT",
        "'#' in a route",
        "It is a literal character, which callers have to write as %23.",
        "Remove it.",
        "path: /v1/#DescribeTable",
    ),
    _code(
        "W-ROUTE-QUERY",
        "A query in a route",
        "Callers have to send these query parameters with exactly these values.",
        "Give the operation a path of its own.",
        "path: /v1?Action=DescribeInstances",
    ),
    _code(
        "W-ROUTE-SLASH",
        "A route without a leading slash",
        "One is added.",
        "Add it.",
        "path: v1/ships",
    ),
    _code(
        "W-PLACEHOLDER",
        "A placeholder as other frameworks write it",
        "':id', '<id>', '{+id}', '{id*}' and '{id?}' are read as '{id}'.",
        "Write '{id}'.",
        """
        path: /v1/ships/:imo
        operations: [{method: GET, call: ships.get}]
        """,
    ),
    _code(
        "W-ROUTE-PARAM-UNUSED",
        "A placeholder of a route that nothing uses",
        "Callers have to give it, but it changes nothing.",
        "Name it in 'with', or remove it from the path.",
        """
        path: /v1/clusters/{cluster}
        operations: [{method: GET, call: clusters.list}]
        """,
    ),
    _code(
        "W-TOOL-DUP",
        "A tool name that is given twice in one server",
        "The later one is served with a number after its name.",
        "Rename one of them.",
        "tools: [{name: ship, call: ships.get}, {name: ship, call: ships.find}]",
    ),
    _code(
        "W-TOOL-NAME",
        "A tool name that some clients refuse",
        "It has a dot or another sign, or more than 64 characters.",
        "Use letters, digits, '_' and '-'.",
        "tools: [{name: ships.list, call: ships.list}]",
    ),
    _code(
        "W-TOOL-PARAM-UNUSED",
        "A declared input that feeds nothing",
        "It stays in the tool's schema, but its value is not sent.",
        "Name it in 'with', or remove it.",
        """
        tools:
          - name: track
            inputParameters: [{name: carrier, type: string, description: Who ships it.}]
            call: ships.track
        """,
    ),
    _code(
        "E-SKILL-NAME",
        "A skill without a name, or with an earlier one's",
        "Skills of one adapter are found by their names; the skill is left out.",
        "Give each a name of its own.",
        """
        skills:
          - {name: loading, description: Load ships.}
          - {name: loading, description: Load trucks.}
        """,
    ),
    _code(
        "E-SKILL-TOOL",
        "A tool of a skill that stands for nothing, or for two things",
        """It is another adapter's tool or operation, named by 'from', or the file of an
        'instruction': exactly one of them. The tool is left out.""",
        "Write one of them, and in 'from' both 'sourceNamespace' and 'action'.",
        "skills: [{name: loading, description: Load., tools: [{name: crane, description: Lift.}]}]",
    ),
    _code(
        "E-SKILL-SOURCE",
        "A tool of an adapter that does not exist",
        """'sourceNamespace' has to be a REST or MCP adapter of the same document; the message lists
        them. The tool is left out.""",
        "Use the namespace of one of them.",
        """
        skills:
          - name: loading
            description: Load ships.
            tools: [{name: crane, from: {sourceNamespace: crans, action: lift}}]
        """,
    ),
    _code(
        "E-SKILL-INSTRUCTION",
        "An instruction that cannot be read",
        """It is a file below the 'location' of its skill, which has to be there and must not be
        hidden or lie elsewhere. The tool is left out.""",
        "Put the file into that folder, and write its path from there.",
        """
        skills:
          - name: loading
            description: Load ships.
            location: file:///./skills/loading
            tools: [{name: crane, description: Lift., instruction: ../crane.md}]
        """,
    ),
    _code(
        "W-SKILL-ACTION",
        "A tool or operation that an adapter does not have, or does not serve",
        "The skill names it all the same.",
        "Name one of those that the message lists.",
        """
        skills:
          - name: loading
            description: Load ships.
            tools: [{name: crane, from: {sourceNamespace: cranes, action: litf}}]
        """,
    ),
    _code(
        "W-SKILL-CALL",
        "A call inside a skill",
        "It is listed but not served.",
        "Make it a tool of an MCP adapter, and name it with 'from'.",
        "skills: [{name: loading, description: Load ships., call: ships.load}]",
    ),
    _code(
        "W-SKILL-FILE",
        "A SKILL.md that cannot be served as it is",
        """It cannot be read, has no valid front matter, or calls the skill by another name. MCP
        clients get one with front matter made of the document, and know the skill by the name
        that the front matter says.""",
        "Begin it with '---', 'name:', 'description:' and '---'.",
        "skills: [{name: loading, description: Load., location: 'file:///./skills/loading'}]",
    ),
    _code(
        "W-SKILL-LOCATION",
        "A folder of a skill that cannot be read",
        "The skill is described and has no files.",
        "Write file:///./name for a folder beside the document.",
        "skills: [{name: loading, description: Load., location: 'file:///opt/skills/loading'}]",
    ),
    _code(
        "W-SKILL-NAME",
        "A skill's name that MCP clients do not accept",
        "They know it by another name, which the message says; over HTTP it keeps its own.",
        "Use at most 64 lower case letters, digits and single hyphens.",
        "skills: [{name: Loading_Ships, description: Load ships.}]",
    ),
    _code(
        "W-SKILL-SIZE",
        "A skill with very many or large files",
        """Hosts of MCP need not take more than 512 files or 16 MB of one skill. It is served, but
        without the digests of its files.""",
        "Leave out what the skill does not need.",
        "skills: [{name: loading, description: Load., location: 'file:///./everything'}]",
    ),
    _code(
        "I-SKILL-AUTH",
        "Skills that an MCP adapter does not offer",
        """Their adapter asks for authentication and the MCP adapter does not ask for the same: over
        it they would be open to others.""",
        "Give both the same 'authentication', or none.",
        """
        exposes:
          - {type: mcp, namespace: cranes, port: 9090, tools: [{name: lift, call: cranes.lift}]}
          - type: skill
            namespace: skills
            port: 3011
            authentication: {type: bearer, token: "{{TOKEN}}"}
            skills: [{name: loading, description: Load ships.}]
        """,
    ),
)

GROUPS: Mapping[str, tuple[Code, ...]] = {
    "The file": _FILES,
    "Imports": _IMPORTS,
    "Variables and templates": _VARIABLES,
    "Consumed APIs": _CONSUMED,
    "Authentication": _AUTHENTICATION,
    "Calls": _UNITS,
    "What is allowed but hardly meant": _RULES,
    "What is exposed": _EXPOSED,
    "Migration": _MIGRATION,
}
"""The codes by what they are about, in the order of the documentation."""

CODES: Mapping[str, Code] = {code.code: code for group in GROUPS.values() for code in group}
"""Every code that a finding may have."""
