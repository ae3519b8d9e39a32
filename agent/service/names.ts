export const SERVICE = 'backhaul-agent'
export const UNIT = `${SERVICE}.service`
