/* Search from the disk. Browsers start no worker for a page of the disk, so that
   its script runs in a frame of the page instead. Everywhere else this does
   nothing. The theme's search asks for the name IFrameWorker and reads the
   address of its script from the frame. */
if (location.protocol === 'file:') {
  class IFrameWorker extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement('iframe');
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      const page = this.frame.contentDocument;
      page.open();
      page.write(`<!doctype html><body><script src="${url}"></` + 'script>');
      page.close();
      inside.postMessage = (data) => {
        const event = new MessageEvent('message', { data });
        this.dispatchEvent(event);
        if (this.onmessage) this.onmessage(event);
      };
      inside.importScripts = (...urls) => urls.reduce(
        (before, one) => before.then(() => new Promise((done, failed) => {
          const script = page.createElement('script');
          Object.assign(script, { src: one, onload: done, onerror: failed });
          page.body.append(script);
        })), Promise.resolve());
      this.inside = inside;
      this.ready = new Promise((done) => {
        this.frame.addEventListener('load', done, { once: true });
      });
    }

    postMessage(data) {
      // Into the frame's own kinds of objects, as a worker would get them.
      this.ready.then(() => this.inside.dispatchEvent(new MessageEvent(
        'message', { data: this.inside.structuredClone(data) })));
    }

    terminate() { this.frame.remove(); }
  }
  window.IFrameWorker = IFrameWorker;
  window.Worker = IFrameWorker;
}
