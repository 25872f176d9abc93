/** Made from test/contract/openapi.json by `npm run contract`. */

export interface paths {
    "/api/v1/workflow-requests": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Requests that ended, the newest first */
        get: operations["listWorkflowRequests"];
        put?: never;
        /**
         * Ask for a workflow to be registered, and do not wait
         * @description A 202 means that Kafka has the request on all in-sync replicas. With `Prefer: wait=N` the answer is that of the synchronous door, if the request ends in time.
         */
        post: operations["acceptWorkflow"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflow-requests/{request_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * How a request ended
         * @description The URL of a 202 (with `at`) is 200, and 410 once the status is no longer kept; never 404. A bare id is 404 only when no record of it can be waiting. Where tokens are asked for, the request of another principal is none, but for who has `workflows:operate`.
         */
        get: operations["getWorkflowRequest"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Workflows, the newest first */
        get: operations["listWorkflows"];
        put?: never;
        /** Register a workflow, and wait */
        post: operations["createWorkflow"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{workflow_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A workflow by its id */
        get: operations["getWorkflow"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Change the status of a workflow
         * @description Nothing else of a workflow ever changes: what was registered stays.
         */
        patch: operations["changeWorkflow"];
        trace?: never;
    };
    "/api/v1/workflows/batch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Register up to 500 workflows, each for itself
         * @description One result for each item, in the same order: what the synchronous door would have answered to it alone. At most 8 MiB; what a single request may not exceed, an item may not either.
         */
        post: operations["createWorkflows"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/by-name/{workflow_name}/versions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The versions of a workflow, the highest first (SemVer order) */
        get: operations["listVersions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/by-name/{workflow_name}/versions/{version}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A workflow by its name and version */
        get: operations["getVersion"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/by-name/{workflow_name}/versions/latest": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The latest version of a workflow
         * @description The highest active release; of two that differ in build metadata only, the one whose metadata is bytewise greater.
         */
        get: operations["getLatestVersion"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/asyncapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The description of what goes over Kafka
         * @description For people it is at `/docs/events`.
         */
        get: operations["getAsyncApi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/live": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether the process turns */
        get: operations["getLiveness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/ready": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Whether the process is able to do its job
         * @description Doors alone are able as long as one of them is open: a door that is `shut` answers 503. A worker has to work, and every door beside it has to be open.
         */
        get: operations["getReadiness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** This description */
        get: operations["getOpenApi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/schemas/registration-completed.v1.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a reply on Kafka carries */
        get: operations["getCompletedSchema"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/schemas/registration-requested.v1.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a request on Kafka carries */
        get: operations["getRequestedSchema"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description A workflow to register. A field that is null counts as absent. */
        CreateWorkflow: {
            /** @description What the catalog calls it: unique together with `version` */
            workflow_name: string;
            /** @description A semantic version (2.0.0), without a `v` */
            version: string;
            /** @description What people call it */
            name: string;
            /** @description What it does, for people */
            description: string;
            /** @description Its definition: any text, kept as it is */
            content: string;
            content_hash?: string | null;
            /** @description What runs it */
            execution_engine: components["schemas"]["ExecutionEngine"];
            labels?: {
                [key: string]: string | string[];
            } | null;
            custom_labels?: {
                [key: string]: string | string[];
            } | null;
            detected_labels?: {
                [key: string]: (string | number | boolean) | (string | number | boolean)[];
            } | null;
            parameters?: (Record<string, unknown> | unknown[]) | null;
            owner?: string | null;
            maintainer?: string | null;
            container_image?: string | null;
            container_digest?: string | null;
            status?: components["schemas"]["WorkflowStatus"] | null;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            workflow_id?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            created_at?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            updated_at?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            created_by?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            updated_by?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            created_by_request?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            request_fingerprint?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            principal?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            is_latest_version?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            previous_version?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            total_executions?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            successful_executions?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            actual_success_rate?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            approved_by?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            approved_at?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            disabled_at?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            disabled_by?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            disabled_reason?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            deprecation_notice?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            version_notes?: unknown;
            /**
             * @deprecated
             * @description Accepted and ignored
             */
            change_summary?: unknown;
        };
        /** @description Workflows to register. An item that is not one is refused alone. */
        CreateWorkflows: {
            workflows: components["schemas"]["CreateWorkflow"][];
        };
        /** @enum {string} */
        Outcome: "created" | "conflict" | "rejected" | "failed";
        /** @enum {string} */
        WorkflowStatus: "active" | "disabled" | "deprecated" | "archived";
        /** @enum {string} */
        ExecutionEngine: "tekton";
        WorkflowChange: {
            status?: components["schemas"]["WorkflowStatus"];
            /** @description Null takes the reason away */
            status_reason?: string | null;
        };
        /** @description RFC 9457, the same object over HTTP, in a reply and in a status */
        Problem: {
            /**
             * Format: uri
             * @description Ends in the kind of the problem, such as `/problems/conflict`
             */
            type: string;
            /** @enum {string} */
            title: "Validation Error" | "Immutable Field Violation" | "Unauthorized" | "Forbidden" | "Not Found" | "Method Not Allowed" | "Request Timeout" | "Workflow Already Exists" | "Gone" | "Payload Too Large" | "Unsupported Media Type" | "Idempotency Key Reused" | "Request Header Fields Too Large" | "Internal Server Error" | "Service Unavailable";
            /** @description The status of the answer */
            status: number;
            /** @description What happened, in words */
            detail: string;
            /** @description The status of the request that this is about */
            instance?: string;
            /** @description Whether the same request may succeed later */
            retryable: boolean;
            /**
             * Format: uuid
             * @description The request whose outcome is not known yet
             */
            request_id?: string;
            /** @description The first 100 */
            readonly errors?: components["schemas"]["FieldError"][];
            /** @description How a request ended whose status is no longer kept */
            state?: components["schemas"]["RequestState"];
            /**
             * @description Whether the existing workflow was asked for with the same body, in all that counts
             * @enum {string}
             */
            content?: "identical" | "different";
            existing?: components["schemas"]["ExistingWorkflow"];
        };
        /** @description One thing that is wrong with a request */
        FieldError: {
            /** @description Where in the body (RFC 6901); empty: the body itself, or a header or parameter that `detail` names */
            pointer: string;
            /** @description What is wrong with it */
            detail: string;
        };
        /** @enum {string} */
        RequestState: "pending" | "created" | "conflict" | "rejected" | "failed";
        /** @description The workflow that holds the name and version asked for */
        ExistingWorkflow: {
            /** Format: uuid */
            workflow_id: string;
            content_hash: string;
            /** Format: date-time */
            created_at: string;
            /** @description Where to read it */
            href: string;
        };
        RequestPage: {
            items: components["schemas"]["RequestDocument"][];
            /** @description The cursor of the next page; null when this is the last */
            next: string | null;
        };
        /** @description What a request came to: its status, and the data of a reply */
        RequestDocument: {
            /**
             * Format: uuid
             * @description A UUID of any version
             */
            request_id: string;
            /** @description `pending` until the request has an outcome, which never changes */
            state: components["schemas"]["RequestState"];
            /** @description Null while pending, or when it cannot be read */
            workflow_name: string | null;
            /** @description Null while pending, or when it cannot be read */
            version: string | null;
            /**
             * Format: uuid
             * @description When `created`: the workflow that this request made
             */
            workflow_id?: string;
            /** @description When it ended otherwise: why */
            problem?: components["schemas"]["Problem"];
            /** Format: date-time */
            accepted_at: string;
            /** @description Null while pending */
            completed_at: string | null;
            /** @description While pending: how many records are before this one, itself included */
            queue_distance?: number;
        };
        /** @description What would happen now. Nothing was written. */
        DryRun: {
            /** @constant */
            dry_run: true;
            /** @description How the request would end now */
            state: components["schemas"]["Outcome"];
            /** @description The status that the synchronous door would answer with */
            status: number;
            workflow_name: string | null;
            version: string | null;
            /**
             * Format: uuid
             * @description When this very request has made the workflow already
             */
            workflow_id?: string;
            /** @description When it would not end as `created`: why */
            problem?: components["schemas"]["Problem"];
        };
        /** @description A workflow of the catalog: only its status and the reason for it ever change */
        Workflow: {
            /** Format: uuid */
            workflow_id: string;
            workflow_name: string;
            version: string;
            name: string;
            description: string;
            /** @description SHA-256 of the content, in hex */
            content_hash: string;
            execution_engine: components["schemas"]["ExecutionEngine"];
            labels: {
                [key: string]: unknown;
            };
            custom_labels: {
                [key: string]: unknown;
            };
            detected_labels: {
                [key: string]: unknown;
            };
            /** @description An object or a list */
            parameters: unknown;
            owner: string | null;
            maintainer: string | null;
            container_image: string | null;
            container_digest: string | null;
            status: components["schemas"]["WorkflowStatus"];
            status_reason: string | null;
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            updated_at: string;
            /**
             * Format: uuid
             * @description The request that made it
             */
            created_by_request: string;
            /** @description SHA-256 of all that the request asked for, in hex */
            request_fingerprint: string;
            /** @description Who asked for it; null where nobody is known */
            principal: string | null;
            content: string;
        };
        WorkflowPage: {
            items: (components["schemas"]["WorkflowSummary"] | components["schemas"]["Workflow"])[];
            /** @description The cursor of the next page; null when this is the last */
            next: string | null;
        };
        /** @description A workflow without its content */
        WorkflowSummary: {
            /** Format: uuid */
            workflow_id: string;
            workflow_name: string;
            version: string;
            name: string;
            description: string;
            /** @description SHA-256 of the content, in hex */
            content_hash: string;
            execution_engine: components["schemas"]["ExecutionEngine"];
            labels: {
                [key: string]: unknown;
            };
            custom_labels: {
                [key: string]: unknown;
            };
            detected_labels: {
                [key: string]: unknown;
            };
            /** @description An object or a list */
            parameters: unknown;
            owner: string | null;
            maintainer: string | null;
            container_image: string | null;
            container_digest: string | null;
            status: components["schemas"]["WorkflowStatus"];
            status_reason: string | null;
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            updated_at: string;
            /**
             * Format: uuid
             * @description The request that made it
             */
            created_by_request: string;
            /** @description SHA-256 of all that the request asked for, in hex */
            request_fingerprint: string;
            /** @description Who asked for it; null where nobody is known */
            principal: string | null;
        };
        BatchResult: {
            /**
             * @description Nothing was written: this is what would happen now
             * @constant
             */
            dry_run?: true;
            results: components["schemas"]["ItemResult"][];
        };
        ItemResult: {
            /** @description Which item, from 0 */
            index: number;
            /** @description Null when nothing was stored: the item is no request, or this is a dry run */
            request_id: string | null;
            /** @description What the synchronous door would have answered to it alone */
            status: number;
            /** @description Null when it is not known: try again */
            state: components["schemas"]["Outcome"] | null;
            /** @description When `created` */
            workflow?: components["schemas"]["Workflow"];
            /**
             * Format: uuid
             * @description When `created`, and the workflow cannot be read now, or in a dry run was there already
             */
            workflow_id?: string;
            /** @description When not `created`: why */
            problem?: components["schemas"]["Problem"];
        };
        VersionPage: {
            items: (components["schemas"]["WorkflowSummary"] | components["schemas"]["Workflow"])[];
            /** @description The cursor of the next page; null when this is the last */
            next: string | null;
        };
        AsyncApi: {
            asyncapi: string;
        } & {
            [key: string]: unknown;
        };
        Liveness: {
            /** @constant */
            status: "live";
        };
        Readiness: {
            /** @constant */
            status: "ready";
            /** @description Each door that cannot work now, and why */
            shut?: {
                /** @enum {string} */
                door: "sync" | "async";
                reasons: string[];
            }[];
        };
        OpenApi: {
            openapi: string;
        } & {
            [key: string]: unknown;
        };
        JsonSchema: {
            $id: string;
        } & {
            [key: string]: unknown;
        };
    };
    responses: {
        /** @description Validation Error */
        "validation-error": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Immutable Field Violation */
        "immutable-field-violation": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Unauthorized */
        unauthorized: {
            headers: {
                /** @description What is wrong with the token, or which scope it lacks (RFC 6750) */
                "WWW-Authenticate": string;
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Forbidden */
        forbidden: {
            headers: {
                /** @description What is wrong with the token, or which scope it lacks (RFC 6750) */
                "WWW-Authenticate": string;
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Not Found */
        "not-found": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Method Not Allowed */
        "method-not-allowed": {
            headers: {
                /** @description The methods that are possible here */
                Allow: string;
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Request Timeout */
        "request-timeout": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Workflow Already Exists */
        conflict: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Gone */
        gone: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Payload Too Large */
        "payload-too-large": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Unsupported Media Type */
        "unsupported-media-type": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Idempotency Key Reused */
        "idempotency-key-reused": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Request Header Fields Too Large */
        "header-fields-too-large": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Internal Server Error */
        "internal-error": {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description Service Unavailable */
        unavailable: {
            headers: {
                /** @description Seconds to wait before asking again */
                "Retry-After": string;
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    listWorkflowRequests: {
        parameters: {
            query?: {
                /** @description Only those that ended so. What is pending has no row, and cannot be listed. */
                state?: components["schemas"]["Outcome"];
                /** @description Only those that ended then or later */
                since?: string;
                /** @description How many at most */
                limit?: number;
                /** @description Where to go on: taken from the `next` of the page before */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    Link?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RequestPage"];
                };
            };
            400: components["responses"]["validation-error"];
            401: components["responses"]["unauthorized"];
            403: components["responses"]["forbidden"];
            408: components["responses"]["request-timeout"];
            431: components["responses"]["header-fields-too-large"];
            500: components["responses"]["internal-error"];
            503: components["responses"]["unavailable"];
        };
    };
    acceptWorkflow: {
        parameters: {
            query?: {
                /** @description Say what would happen now, and do nothing. It asks PostgreSQL, not Kafka: requests that wait do not count. */
                dry_run?: boolean;
            };
            header?: {
                /** @description A structured-field string, or a bare token, of 1 to 255 characters. The same key and body is the same request, at whichever door; where tokens are asked for, within one principal. */
                "Idempotency-Key"?: string;
                /** @description `wait=N` (RFC 7240): wait up to N seconds for the outcome, at most 30 */
                Prefer?: string;
                /** @description W3C Trace Context: carried to Kafka and to the reply. What is no trace is left out. */
                traceparent?: string;
                /** @description W3C Trace Context */
                tracestate?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateWorkflow"];
            };
        };
        responses: {
            /** @description What would happen now (`dry_run=true`) */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DryRun"];
                };
            };
            /** @description Registered while waiting (`Prefer: wait=N`) */
            201: {
                headers: {
                    /** @description Where to read what was made, or how the request ended */
                    Location: string;
                    /** @description The wait that was granted (RFC 7240) */
                    "Preference-Applied": string;
                    "Idempotent-Replayed"?: "true";
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Workflow"];
                };
            };
            /** @description Accepted: `Location` tells how it ends */
            202: {
                headers: {
                    /** @description Where to read what was made, or how the request ended */
                    Location: string;
                    /** @description Seconds to wait before asking again */
                    "Retry-After": string;
                    "Preference-Applied"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RequestDocument"];
                };
            };
            400: components["responses"]["validation-error"];
            401: components["responses"]["unauthorized"];
            403: components["responses"]["forbidden"];
            408: components["responses"]["request-timeout"];
            /** @description Workflow Already Exists */
            409: {
                headers: {
                    "Idempotent-Replayed"?: "true";
                    "Preference-Applied"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["payload-too-large"];
            415: components["responses"]["unsupported-media-type"];
            /** @description Idempotency Key Reused */
            422: {
                headers: {
                    "Idempotent-Replayed"?: "true";
                    "Preference-Applied"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            431: components["responses"]["header-fields-too-large"];
            /** @description Internal Server Error */
            500: {
                headers: {
                    "Idempotent-Replayed"?: "true";
                    "Preference-Applied"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            503: components["responses"]["unavailable"];
        };
    };
    getWorkflowRequest: {
        parameters: {
            query?: {
                /** @description Where the request was accepted, as `Location` has it */
                at?: string;
            };
            header?: {
                /** @description `wait=N` (RFC 7240): wait up to N seconds for the outcome, at most 30 */
                Prefer?: string;
                /** @description The ETag that is known already */
                "If-None-Match"?: string;
            };
            path: {
                request_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Its outcome, or `pending` */
            200: {
                headers: {
                    /** @description Stands for this body */
                    ETag: string;
                    "Cache-Control"?: string;
                    "Retry-After"?: string;
                    "Preference-Applied"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RequestDocument"];
                };
            };
            /** @description Still what `If-None-Match` says */
            304: {
                headers: {
                    /** @description Stands for this body */
                    ETag: string;
                    "Cache-Control"?: string;
                    "Retry-After"?: string;
                    "Preference-Applied"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: components["responses"]["validation-error"];
            401: components["responses"]["unauthorized"];
            403: components["responses"]["forbidden"];
            404: components["responses"]["not-found"];
            408: components["responses"]["request-timeout"];
            410: components["responses"]["gone"];
            431: components["responses"]["header-fields-too-large"];
            500: components["responses"]["internal-error"];
            503: components["responses"]["unavailable"];
        };
    };
    listWorkflows: {
        parameters: {
            query?: {
                /** @description Only those of this name */
                workflow_name?: string;
                status?: components["schemas"]["WorkflowStatus"];
                execution_engine?: components["schemas"]["ExecutionEngine"];
                /** @description `labels[key]=a,b`: the label `key` is, or has among its values, `a` or `b` */
                labels?: {
                    [key: string]: string;
                };
                /** @description `custom_labels[key]=a,b`: the label `key` is, or has among its values, `a` or `b` */
                custom_labels?: {
                    [key: string]: string;
                };
                /** @description `detected_labels[key]=a,b`: the label `key` is, or has among its values, `a` or `b` */
                detected_labels?: {
                    [key: string]: string;
                };
                /** @description With `content`, which lists leave out by themselves */
                include_content?: boolean;
                /** @description How many at most */
                limit?: number;
                /** @description Where to go on: taken from the `next` of the page before */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    Link?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorkflowPage"];
                };
            };
            400: components["responses"]["validation-error"];
            401: components["responses"]["unauthorized"];
            403: components["responses"]["forbidden"];
            408: components["responses"]["request-timeout"];
            431: components["responses"]["header-fields-too-large"];
            500: components["responses"]["internal-error"];
            503: components["responses"]["unavailable"];
        };
    };
    createWorkflow: {
        parameters: {
            query?: {
                /** @description Say what would happen now, and write nothing */
                dry_run?: boolean;
            };
            header?: {
                /** @description A structured-field string, or a bare token, of 1 to 255 characters. The same key and body is the same request, at whichever door; where tokens are asked for, within one principal. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateWorkflow"];
            };
        };
        responses: {
            /** @description What would happen now (`dry_run=true`) */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DryRun"];
                };
            };
            /** @description Registered */
            201: {
                headers: {
                    /** @description Where to read what was made, or how the request ended */
                    Location: string;
                    "Idempotent-Replayed"?: "true";
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Workflow"];
                };
            };
            400: components["responses"]["validation-error"];
            401: components["responses"]["unauthorized"];
            403: components["responses"]["forbidden"];
            408: components["responses"]["request-timeout"];
            /** @description Workflow Already Exists */
            409: {
                headers: {
                    "Idempotent-Replayed"?: "true";
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            413: components["responses"]["payload-too-large"];
            415: components["responses"]["unsupported-media-type"];
            /** @description Idempotency Key Reused */
            422: {
                headers: {
                    "Idempotent-Replayed"?: "true";
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            431: components["responses"]["header-fields-too-large"];
            /** @description Internal Server Error */
            500: {
                headers: {
                    "Idempotent-Replayed"?: "true";
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            503: components["responses"]["unavailable"];
        };
    };
    getWorkflow: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The workflow */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Workflow"];
                };
            };
            400: components["responses"]["validation-error"];
            401: components["responses"]["unauthorized"];
            403: components["responses"]["forbidden"];
            404: components["responses"]["not-found"];
            408: components["responses"]["request-timeout"];
            431: components["responses"]["header-fields-too-large"];
            500: components["responses"]["internal-error"];
            503: components["responses"]["unavailable"];
        };
    };
    changeWorkflow: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                workflow_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["WorkflowChange"];
                "application/merge-patch+json": components["schemas"]["WorkflowChange"];
            };
        };
        responses: {
            /** @description The workflow */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Workflow"];
                };
            };
            /** @description Validation Error, or Immutable Field Violation */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            401: components["responses"]["unauthorized"];
            403: components["responses"]["forbidden"];
            404: components["responses"]["not-found"];
            408: components["responses"]["request-timeout"];
            413: components["responses"]["payload-too-large"];
            415: components["responses"]["unsupported-media-type"];
            431: components["responses"]["header-fields-too-large"];
            500: components["responses"]["internal-error"];
            503: components["responses"]["unavailable"];
        };
    };
    createWorkflows: {
        parameters: {
            query?: {
                /** @description Say what would happen now, and write nothing */
                dry_run?: boolean;
            };
            header?: {
                /** @description A structured-field string, or a bare token, of 1 to 255 characters. The same key and body is the same request, at whichever door; where tokens are asked for, within one principal. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateWorkflows"];
            };
        };
        responses: {
            /** @description A result for each item */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BatchResult"];
                };
            };
            400: components["responses"]["validation-error"];
            401: components["responses"]["unauthorized"];
            403: components["responses"]["forbidden"];
            408: components["responses"]["request-timeout"];
            413: components["responses"]["payload-too-large"];
            415: components["responses"]["unsupported-media-type"];
            431: components["responses"]["header-fields-too-large"];
            /** @description Internal Server Error */
            500: {
                headers: {
                    "Idempotent-Replayed"?: "true";
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            503: components["responses"]["unavailable"];
        };
    };
    listVersions: {
        parameters: {
            query?: {
                /** @description With `content`, which lists leave out by themselves */
                include_content?: boolean;
                /** @description How many at most */
                limit?: number;
                /** @description Where to go on: taken from the `next` of the page before */
                cursor?: string;
            };
            header?: never;
            path: {
                /** @description Percent-encoded */
                workflow_name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page; empty when there is no workflow of this name */
            200: {
                headers: {
                    Link?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["VersionPage"];
                };
            };
            400: components["responses"]["validation-error"];
            401: components["responses"]["unauthorized"];
            403: components["responses"]["forbidden"];
            408: components["responses"]["request-timeout"];
            431: components["responses"]["header-fields-too-large"];
            500: components["responses"]["internal-error"];
            503: components["responses"]["unavailable"];
        };
    };
    getVersion: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Percent-encoded */
                workflow_name: string;
                version: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The workflow */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Workflow"];
                };
            };
            400: components["responses"]["validation-error"];
            401: components["responses"]["unauthorized"];
            403: components["responses"]["forbidden"];
            404: components["responses"]["not-found"];
            408: components["responses"]["request-timeout"];
            431: components["responses"]["header-fields-too-large"];
            500: components["responses"]["internal-error"];
            503: components["responses"]["unavailable"];
        };
    };
    getLatestVersion: {
        parameters: {
            query?: {
                /** @description Let a pre-release be the latest */
                include_prereleases?: boolean;
            };
            header?: never;
            path: {
                /** @description Percent-encoded */
                workflow_name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The workflow */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Workflow"];
                };
            };
            400: components["responses"]["validation-error"];
            401: components["responses"]["unauthorized"];
            403: components["responses"]["forbidden"];
            404: components["responses"]["not-found"];
            408: components["responses"]["request-timeout"];
            431: components["responses"]["header-fields-too-large"];
            500: components["responses"]["internal-error"];
            503: components["responses"]["unavailable"];
        };
    };
    getAsyncApi: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description AsyncAPI 3.0 */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AsyncApi"];
                };
            };
            400: components["responses"]["validation-error"];
            408: components["responses"]["request-timeout"];
            431: components["responses"]["header-fields-too-large"];
            500: components["responses"]["internal-error"];
            503: components["responses"]["unavailable"];
        };
    };
    getLiveness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It does */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Liveness"];
                };
            };
            400: components["responses"]["validation-error"];
            408: components["responses"]["request-timeout"];
            431: components["responses"]["header-fields-too-large"];
            500: components["responses"]["internal-error"];
            503: components["responses"]["unavailable"];
        };
    };
    getReadiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            400: components["responses"]["validation-error"];
            408: components["responses"]["request-timeout"];
            431: components["responses"]["header-fields-too-large"];
            500: components["responses"]["internal-error"];
            503: components["responses"]["unavailable"];
        };
    };
    getOpenApi: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OpenAPI 3.1 */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OpenApi"];
                };
            };
            400: components["responses"]["validation-error"];
            408: components["responses"]["request-timeout"];
            431: components["responses"]["header-fields-too-large"];
            500: components["responses"]["internal-error"];
            503: components["responses"]["unavailable"];
        };
    };
    getCompletedSchema: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description JSON Schema 2020-12; its `$id` does not depend on where it is read */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/schema+json": components["schemas"]["JsonSchema"];
                };
            };
            400: components["responses"]["validation-error"];
            408: components["responses"]["request-timeout"];
            431: components["responses"]["header-fields-too-large"];
            500: components["responses"]["internal-error"];
            503: components["responses"]["unavailable"];
        };
    };
    getRequestedSchema: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description JSON Schema 2020-12; its `$id` does not depend on where it is read */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/schema+json": components["schemas"]["JsonSchema"];
                };
            };
            400: components["responses"]["validation-error"];
            408: components["responses"]["request-timeout"];
            431: components["responses"]["header-fields-too-large"];
            500: components["responses"]["internal-error"];
            503: components["responses"]["unavailable"];
        };
    };
}
type FlattenedDeepRequired<T> = {
    [K in keyof T]-?: FlattenedDeepRequired<T[K] extends unknown[] | undefined | null ? Extract<T[K], unknown[]>[number] : T[K]>;
};
type ReadonlyArray<T> = [
    Exclude<T, undefined>
] extends [
    unknown[]
] ? Readonly<Exclude<T, undefined>> : Readonly<Exclude<T, undefined>[]>;
export const outcomeValues: ReadonlyArray<FlattenedDeepRequired<components>["schemas"]["Outcome"]> = ["created", "conflict", "rejected", "failed"];
export const workflowStatusValues: ReadonlyArray<FlattenedDeepRequired<components>["schemas"]["WorkflowStatus"]> = ["active", "disabled", "deprecated", "archived"];
export const executionEngineValues: ReadonlyArray<FlattenedDeepRequired<components>["schemas"]["ExecutionEngine"]> = ["tekton"];
export const problemTitleValues: ReadonlyArray<FlattenedDeepRequired<components>["schemas"]["Problem"]["title"]> = ["Validation Error", "Immutable Field Violation", "Unauthorized", "Forbidden", "Not Found", "Method Not Allowed", "Request Timeout", "Workflow Already Exists", "Gone", "Payload Too Large", "Unsupported Media Type", "Idempotency Key Reused", "Request Header Fields Too Large", "Internal Server Error", "Service Unavailable"];
export const problemContentValues: ReadonlyArray<FlattenedDeepRequired<components>["schemas"]["Problem"]["content"]> = ["identical", "different"];
export const requestStateValues: ReadonlyArray<FlattenedDeepRequired<components>["schemas"]["RequestState"]> = ["pending", "created", "conflict", "rejected", "failed"];
export const readinessShutDoorValues: ReadonlyArray<FlattenedDeepRequired<components>["schemas"]["Readiness"]["shut"]["door"]> = ["sync", "async"];
