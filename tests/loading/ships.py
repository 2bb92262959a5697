"""One capability in both languages, with everything that both can say."""

NAFTIKO = """\
# A desk for parcels.
naftiko: "1.0.0-alpha3"  # the language
info:
  label: "Parcel desk"
  description: Track parcels
binds:
  - namespace: carrier-env
    keys: {CARRIER_TOKEN: PARCEL_CARRIER_TOKEN}
capability:
  aggregates:
    # what both faces share
    - label: Parcels
      namespace: parcels
      functions:
        - name: track  # by its code
          description: Track one parcel
          semantics: {safe: true, idempotent: true}
          inputParameters:
            - {name: code, type: string, description: Parcel code}
          steps:
            - {type: call, name: parcel, call: carrier.get-parcel, with: {parcel_code: "{{code}}"}}
            - type: call
              # every depot
              name: depots  # a list
              call: carrier.list-depots
            - {type: lookup, name: depot, index: depots, match: depotId,
               lookupValue: "$.parcel.depot", outputParameters: [city]}
          mappings:
            - {targetName: code, value: "$.parcel.ok"}
            - {targetName: depot.city, value: "$.depots.ok"}
          outputParameters:
            - {name: code, type: string}
            - name: depots
              type: array
              items: [{name: city, type: string}]
        - name: hello
          description: A mock.
          inputParameters: [{name: who, type: string, description: Who., required: false}]
          outputParameters: [{name: greeting, type: string, value: "Hello {{who}}"}]
  exposes:
    - type: mcp
      port: 9001
      namespace: parcel-tools
      description: >
        Tools for parcels,
        # all of them

      tools:
      - {name: track-parcel, ref: parcels.track}
      - name: get-parcel
        label: Get
        description: |
          - name: not a name
          One parcel.
        hints: {readOnly: true}
        inputParameters:
        - name: "code"
          type: string
          description: 'Parcel: code'
        -
          # the note
          type: string
          name: note
          description: A note.
          required: false
        call: carrier.get-parcel
        with:
          parcel_code: parcel-tools.code
          note: "{{parcel-tools.note}}"
        outputParameters:
        - type: object
          properties:
            ok: {type: boolean, mapping: $.ok}
            name: {type: string, value: fixed}
            items:
              type: array
              mapping: $.items
              items: {type: object, properties: {id: {type: string, mapping: $.id}}}

      # ends with a mock
      - name: hello
        ref: parcels.hello
    - type: rest
      port: 9002
      namespace: parcel-api
      resources:
        - path: "/parcels/{code}"
          description: One parcel.
          operations:
            - method: GET
              ref: parcels.track
              inputParameters:
                - {name: code, in: path, type: string, description: Parcel code}
            - name: note
              method: POST
              call: carrier.add-note
              with: {parcel_code: rest.code}
        - name: hello
          path: /hello
          operations:
            - {name: hello, method: GET, outputParameters: [{name: hi, type: string, value: Hi}]}
    - type: skill
      port: 9003
      namespace: skills
      skills:
        - name: sorting
          description: Sort parcels.
          tools:
            - {name: get, description: G., from: {sourceNamespace: parcel-tools, action: hello}}
  consumes:
    - type: http
      namespace: carrier
      baseUri: "http://carrier.test/api"
      authentication: {type: bearer, token: "{{CARRIER_TOKEN}}"}
      inputParameters:
        - {name: X-Client, in: header, value: desk}
      resources:
        - name: parcel
          label: A parcel
          path: "/parcels/{{parcel_code}}"
          operations:
            - name: get-parcel
              method: GET
              inputParameters: [{name: note, in: query}]
              outputParameters: [{name: ok, type: boolean, value: $.ok}]
            - name: add-note
              method: POST
              body: |
                {"text": {{text}}}
        - name: depots
          path: "/depots"
          operations: [{name: list-depots, method: GET}]
"""

IKANOS = """\
ikanos: 1.0.0-beta5
info: {display: Parcel desk, description: Track parcels}
binds: [{namespace: carrier-env, keys: {CARRIER_TOKEN: PARCEL_CARRIER_TOKEN}}]
capability:
  aggregates:
    - display: Parcels
      namespace: parcels
      flows:
        track:  # by its code
          description: Track one parcel
          semantics: {safe: true, idempotent: true}
          inputParameters: {code: {type: string, description: Parcel code}}
          steps:
            parcel: {type: call, call: carrier.get-parcel, with: {parcel_code: parcels.code}}
            "depots":
                # every depot
                type: call
                call: carrier.list-depots
            depot:
             type: lookup
             index: depots
             match: depotId
             lookupValue: $.parcel.depot
             outputParameters: [city]
          mappings:
            - {target: code, value: $.parcel.ok}
          outputParameters:
            code: {type: string}
            depots: {type: array, items: {city: {type: string}}}
        hello:
          description: A mock.
          inputParameters: {who: {type: string, description: Who., required: false}}
          outputParameters: {greeting: {type: string, value: "Hello {{who}}"}}
  exposes:
    - type: mcp
      port: 9001
      namespace: parcel-tools
      tools:
        track-parcel: {ref: parcels.track}
        hello:
          ref: parcels.hello
        get-parcel:
          display: Get
          description: One parcel.
          call: carrier.get-parcel
          inputParameters: {
            code: {type: string, description: Code}, # the code
            note: {type: string, description: A note., required: false}
          }
          with: {parcel_code: parcel-tools.code, note: "{{parcel-tools.note}}"}
          outputParameters: [{type: object, properties: {ok: {type: boolean, mapping: $.ok}}}]
    - type: rest
      port: 9002
      namespace: parcel-api
      resources:
        parcel:
          path: "/parcels/{code}"
          inputParameters:
            code: {in: path, type: string, description: Parcel code}
          operations:
            track: {method: GET, ref: parcels.track}
  consumes:
    - type: http
      namespace: carrier
      baseUri: http://carrier.test/api
      authentication: {type: bearer, token: "{{CARRIER_TOKEN}}"}
      inputParameters: {X-Client: {in: header, value: desk}}
      resources:
        parcel:
          path: /parcels/{{parcel_code}}
          operations:
            get-parcel:
              method: GET
              inputParameters:
                note: {in: query}
              outputParameters: {ok: {type: boolean, value: $.ok}}
        depots:
          path: /depots
          operations: {list-depots: {method: GET}}
"""
