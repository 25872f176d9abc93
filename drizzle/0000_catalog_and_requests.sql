CREATE TYPE "public"."execution_engine" AS ENUM('tekton');--> statement-breakpoint
CREATE TYPE "public"."outcome" AS ENUM('created', 'conflict', 'rejected', 'failed');--> statement-breakpoint
CREATE TYPE "public"."rejection_reason" AS ENUM('validation-error', 'payload-too-large', 'idempotency-key-reused');--> statement-breakpoint
CREATE TYPE "public"."workflow_status" AS ENUM('active', 'disabled', 'deprecated', 'archived');--> statement-breakpoint
CREATE TABLE "consumer_progress" (
	"cluster_id" text NOT NULL,
	"topic" text NOT NULL,
	"partition" integer NOT NULL,
	"next_offset" bigint NOT NULL,
	"reset_at" timestamp (3) with time zone,
	CONSTRAINT "pk_consumer_progress" PRIMARY KEY("cluster_id","topic","partition"),
	CONSTRAINT "ck_consumer_progress_no_gap" CHECK ("consumer_progress"."next_offset" >= 0)
);
--> statement-breakpoint
CREATE TABLE "registration_request" (
	"request_id" uuid NOT NULL,
	"fingerprint" "bytea" NOT NULL,
	"idempotency_key" uuid,
	"outcome" "outcome" NOT NULL,
	"reason" "rejection_reason",
	"errors" jsonb,
	"failure" text,
	"workflow_name" text,
	"version" text,
	"accepted_at" timestamp (3) with time zone NOT NULL,
	"completed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "pk_registration_request" PRIMARY KEY("request_id"),
	CONSTRAINT "uq_registration_request_idempotency_key" UNIQUE("idempotency_key")
);
--> statement-breakpoint
CREATE TABLE "workflow" (
	"workflow_id" uuid PRIMARY KEY NOT NULL,
	"workflow_name" text NOT NULL,
	"version" text NOT NULL,
	"name" text NOT NULL,
	"description" text NOT NULL,
	"content" text NOT NULL,
	"content_hash" text NOT NULL,
	"execution_engine" "execution_engine" NOT NULL,
	"labels" jsonb NOT NULL,
	"custom_labels" jsonb NOT NULL,
	"detected_labels" jsonb NOT NULL,
	"parameters" jsonb NOT NULL,
	"owner" text,
	"maintainer" text,
	"container_image" text,
	"container_digest" text,
	"status" "workflow_status" NOT NULL,
	"status_reason" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"created_by_request" uuid NOT NULL,
	"request_fingerprint" "bytea" NOT NULL,
	CONSTRAINT "uq_workflow_name_version" UNIQUE("workflow_name","version"),
	CONSTRAINT "uq_workflow_created_by_request" UNIQUE("created_by_request")
);
--> statement-breakpoint
CREATE INDEX "ix_registration_request_completed_at" ON "registration_request" USING btree ("completed_at","request_id");--> statement-breakpoint
CREATE INDEX "ix_registration_request_not_created" ON "registration_request" USING btree ("outcome","completed_at","request_id") WHERE "registration_request"."outcome" <> 'created';--> statement-breakpoint
CREATE INDEX "ix_workflow_not_active" ON "workflow" USING btree ("status","workflow_id") WHERE "workflow"."status" <> 'active';