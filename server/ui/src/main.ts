import { createPinia } from 'pinia';
import { createApp } from 'vue';
import 'element-plus/theme-chalk/base.css';
import 'element-plus/theme-chalk/dark/css-vars.css';
import 'element-plus/theme-chalk/el-message.css';
import 'element-plus/theme-chalk/el-message-box.css';
import './styles/main.css';
import App from './App.vue';
import { i18n, speak } from './i18n';
import { router } from './router';
import { usePreferences } from './stores/preferences';

const app = createApp(App);
app.use(createPinia());
app.use(i18n);
app.use(router);
await speak(usePreferences().locale);
app.mount('#app');
