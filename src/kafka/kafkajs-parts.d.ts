/** Files of kafkajs that it does not declare: each mending says how much it knows of its own. */
declare module 'kafkajs/src/*'
