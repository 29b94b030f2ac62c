export default {
  header: { recording: '正在录制 {n} 路', idle: '无录制', memory: '内存', free: '剩余 {size}' },
};
