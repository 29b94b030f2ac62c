export default {
  header: { recording: '{n} recording', idle: 'Not recording', memory: 'Memory', free: '{size} free' },
};
