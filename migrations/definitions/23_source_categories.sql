-- Which kind of site a source is. Made by tools/source-lists/write.ts of the lists beside it, whose README.md names where
-- they are from and their licences: change those, not this.
delete from store.source_categories;
insert into store.source_categories (category, name, has_subdomains, source)
select lists.category, lists.name, lists.has_subdomains, replace(categories.source, '%20', ' ')
from (values
  ('assistant', null, true, '
    ai.baidu.com ai.perplexity.app.android app.jasper.ai app.writesonic.com bard.google.com chat-gpt.org
    chat.deepseek.com chat.mistral.ai chat.openai.com chat.qwen.ai chatglm.cn chatgpt chatgpt.com chatplus.com claude
    claude.ai com.anthropic.claude com.google.android.apps.bard com.openai.chatgpt copilot copilot.microsoft.com duck.ai
    gemini gemini.google.com grok grok.com iask.ai labs.openai.com meta.ai notebooklm.google.com openai perplexity
    perplexity.ai yiyan.baidu.com you.com'),
  ('mail', null, true, '
    app.tuta.com com.google.android.gm com.microsoft.office.outlook com.yahoo.mobile.client.android.mail e.mail.ru
    email.t-online.de fastmail.com hotmail.com mail.126.com mail.163.com mail.aol.com mail.com mail.google.com
    mail.naver.com mail.proton.me mail.qq.com mail.tutanota.com mail.yahoo.co.jp mail.yahoo.com mail.yandex.com
    mail.zoho.com mail.zoho.eu navigator-bs.gmx.net navigator.gmx.net navigator.web.de outlook.live.com
    outlook.office.com outlook.office365.com webmail.freenet.de'),
  ('payment', null, true, '
    3dsecure.io accounts.google.com adyen.com affirm.com afterpay.com appleid.apple.com auth0.com checkout.shopify.com
    checkout.stripe.com giropay.de hooks.stripe.com ideal.nl idmsa.apple.com klarna.com login.live.com
    login.microsoftonline.com login.okta.com mercadopago.com mollie.com okta.com paddle.com pay.amazon.co.uk
    pay.amazon.com pay.amazon.de pay.google.com payments.amazon.co.uk payments.amazon.com payments.amazon.de paypal.com
    paytrail.com payu.com secure.worldpay.com sofort.com twint.ch'),
  ('search', null, false, '
    1.cz 118700.se 123people.com 123people.{} 1881.no 360.cn abacho.at abacho.ch abacho.co.uk abacho.com abacho.de
    abacho.es abacho.fr abacho.it abcsok.no acoon.de alexa.com alice all.by allaverksamheter.se allesklar.at
    allesklar.ch allesklar.de alltheinternet.com alltheweb.com alohafind.com altavista.com altavista.de altavista.fr aol
    apollo7.de arama.com arcor.de ariadna.elmundo.es arianna.com arianna.libero.it ask askkids.com auone avg babylon
    baidu be-fr.altavista.com be-nl.altavista.com benefind.de bg.setooz.com biglobe bing blekko.com blogdigger.com
    blogpulse.com blogs.icerocket.com brisbane.t-online.de busca.orange.es busca.uol.com.br cc.bingj.com centrum.cz
    cercato.it cgi2.nintendo.co.jp charter.net chercherfr.aguea.com claro-search.com class.hit-parade.com cnn coccoc.com
    comcast conduit crawler.com cuil.com da.setooz.com daemon-search.com darkoogle.com dasoertliche.de daum
    de.aolsearch.com de.toppreise.ch delta-search.com dir.gigablast.com dmoz.org dogpile duckduckgo
    duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion editors.dmoz.org el.setooz.com en.toppreise.ch
    en.wedoo.com eniro entireweb.com eo.st epicsearch.in es.wedoo.com eu.ixquick.com eurip.com euroseek.com
    everyclick.com exalead.com exalead.fr excite.co.jp excite.com extern.peoplecheck.de fa.setooz.com
    fastbrowsersearch.com fastweb.it find.tdc.dk findhurtig.dk fireball.com fireball.de firmy.cz firstsfind.com
    fixsuche.de flix.de forestle.mobi forestle.org foretag.118700.se fr.dir.com fr.toppreise.ch fr.wedoo.com
    fr2.rpmfind.net freespoke.com gais.cs.ccu.edu.tw geona.net gfsoso.com gibiru.com gigablast.com globo gnadenmeer.de
    go.mail.ru gogole.com gogole.{} gomeo.com googel.com googel.{} google google-play googlesyndicatedsearch.com
    gooofullsearch.com govome.inspsearch.com goyellow.de gppgle.com gppgle.{} gulesider.no haosou.com highbeam.com
    hit-parade.com hledani.tiscali.cz holmes.ge home.kingsoft.jp home.speedbit.com hooseek.com hotbot.com icq.com
    ilse.nl image.search.smt.docomo.ne.jp incredimail info.com infospace.com isearch.glarysoft.com isodelen.se
    it.luna.tv ixquick.com ixquick.de jp.hao123.com jungle-spider.de junglekey.com junglekey.fr juniorsafesearch.com
    jwsearch.jword.jp jyxo.1188.cz k9safesearch.com kadaza.com karmasearch.org kataweb.it kensaq.com
    kf.mysearch.myway.com ki.mysearch.myway.com ko.search.need2find.com kvasir kwzf.net laban.vn latne.lv lemoteur.fr
    lemoteur.ke.voila.fr lemoteur.orange.fr listings.altavista.com lo.st localmoxie.com lookany.com looksmart.com lycos
    m.sm.cn m.so.com m.sp.sm.cn m.suche.web.de maailm.com mamma.com mamma75.mamma.com meinestadt.de
    meta.rrzn.uni-hannover.de meta.ua metacrawler.com metager2.de mister-wong.com mister-wong.de monstercrawler.com
    monumentbrowser.com morfeo.centrum.cz mozbot.co.uk mozbot.com mozbot.fr ms114.mysearch.com ms146.mysearch.com msn
    msxml.excite.com my.daemon-search.com myprivatesearch.com mysearch.com najdi naver navigationshilfe.t-online.de
    neti.ee netlavis.azione.jp nigma.ru oceanhero.today ocnsearch.goo.ne.jp onet online.no only-search.com
    optuszoo.com.au otsing.delfi.ee p.zhongsou.com paperball.de pesquisa.clix.pt pesquisa.sapo.pt picsearch.com
    plazoo.com plusnetwork.com poisk.ru presearch.com privacywall.org qbyrd.com qualigo.at qualigo.ch qualigo.de
    qualigo.nl quark.sm.cn quendu.com qwant rakuten rambler recherche.francite.com rechercher.aliceadsl.fr
    req.hit-parade.com results.searchlock.com riksdelen.se rpmfind.net s1-eu.ixquick.de s1.metacrawler.de
    s1.us.ixquick.com s2-eu4.ixquick.com s2.metacrawler.de s2.us.ixquick.com s3.metacrawler.de s3.us.ixquick.com
    s4.us.ixquick.com s5-eu4.ixquick.com s5.us.ixquick.com s6-eu5.ixquick.com s8-eu.ixquick.com safesearch.avira.com
    scour.com se.abacho.com search-dyn.tiscali.it search-intl.netscape.com search-results search.1und1.de search.abv.bg
    search.alot.com search.altavista.com search.avast.com search.avira.com search.avira.net search.azby.fmworld.net
    search.b1.org search.bluewin.ch search.bt.com search.centrum.cz search.ch search.chatzum.com search.chedot.com
    search.com search.darkoogle.com search.disconnect.me search.dolphin-browser.jp search.earthlink.net
    search.excite.co.uk search.excite.de search.excite.es search.excite.fr search.excite.it search.excite.nl
    search.f-secure.com search.fbdownloader.com search.fooooo.com search.foxtab.com search.free.fr search.freecause.com
    search.frontier.com search.genieo.com search.gmx.com search.goo.ne.jp search.handycafe.com search.hiyo.com
    search.icq.com search.imesh.com search.iminent.com search.incredibar.com search.juno.com search.ke.voila.fr
    search.kiwee.com search.leonardo.it search.lilo.org search.lookseek.com search.magentic.com search.myway.com
    search.mywebsearch.com search.nan.so search.nate.com search.nifty.com search.offerbox.com search.peoplepc.com
    search.qip.ru search.rr.com search.searchcompletion.com search.seesaa.jp search.smartaddressbar.com
    search.smartshopping.com search.smt.docomo.ne.jp search.snap.do search.softonic.com search.sweetim.com
    search.tiscali.it search.toolbars.alexa.com search.trustnav.com search.v9.com search.vindex.nl search.walla.co.il
    search.webssearches.com search.winamp.com search.www.ee search.xfinity.com search.yam.com search.yippy.com
    search.zonealarm.com search.zum.com search1-1.free.fr search1-2.free.fr searchalot.com searchatlas.centrum.cz
    searchcanvas.com searches.f-secure.com searches.safehomepage.com searches.vi-view.com searches3.globososo.com
    searchlock.com searchmobileonline.com searchqu.com searchresults.verizon.com searchservice.myspace.com searchy.co.uk
    searchya.com seznam sharelook.fr skynet.be sm.aport.ru sm.de smart.delfi.lv so-net.ne.jp so.360.cn so.com so.m.sm.cn
    sogou soso.com sou.com sputnik.ru start.facemoods.com start.funmoods.com start.iplay.com start.lenovo.com startab.me
    startgoogle.startpagina.nl startpagel6srwcjlue4zgq3zevrujfaow726kjytqbbjyrswwmjzcqd.onion startsiden stract.com
    suche.1und1.de suche.aolsvc.de suche.freenet.de suche.gmx.net suche.info suche.t-online.de suche.web.de
    suchmaschine.com suchnase.de surfcanyon.com swiggle.org.uk szukaj.wp.pl talimba.com talktalk.co.uk tarmot.com
    tattoodle.com technorati.com teoma.com terra tixuma.de toile.com toolbarhome.com toppreise.ch torry.io tr.abacho.com
    trouvez.com trovarapido.com trusted-search.com tusksearch.com tut.by twingly.com ukr ur.setooz.com url.org
    us.ixquick.com utorrent.inspsearch.com verden.abcsok.no video.so-net.ne.jp videosearch.nifty.com vinden.nl vindex.nl
    virgilio vshare.toolbarhome.com vuhuv.com walhello.com walhello.de walhello.info walhello.nl web.canoe.ca web.nl
    web.toile.com web.volny.cz webben.118700.se webcache.googleusercontent.com webcrawler.com webfetch.com weborama.fr
    websearch.com websearch.cs.com witch.de woopie.jp wow.com wsdsold.infospace.com www1.austronaut.at
    www1.dastelefonbuch.de www1.delta-search.com www2.austronaut.at www2.dasoertliche.de www2.inbox.com www3.zoek.nl
    wwwgoogle.com wwwgoogle.{} x-recherche.com ya.ru yahoo yandex yasni.at yasni.ch yasni.co.uk yasni.com yasni.de
    yatedo.com yatedo.fr yellowmap.de yep.com yongzin.com yougoo.fr ys.mirostart.com yz.m.sm.cn zapmeta.com zapmeta.{}
    zapmetasearch.{} zoeken.nl zoohoo.cz zoznam.sk zxuso.com {}.altavista.com {}.forestle.org {}.qbyrd.com {}.setooz.com
    {}.wow.com {}.zapmeta.com'),
  ('search', null, true, '
    kagi.com metager.de mojeek.com search.brave.com swisscows.com'),
  ('search', 'aol', false, '
    aim.search.aol.com alicesuche.aol.de alicesuchet.aol.de aolbusqueda.aol.com.mx aolimages.aol.fr aolrecherche.aol.fr
    aolrecherches.aol.fr aolsearch.aol.co.uk aolsearch.aol.com find.web.aol.com o2suche.aol.de recherche.aol.ca
    recherche.aol.fr search.aol.co.uk search.aol.com search.aol.it search.hp.my.aol.com.au search.hp.my.aol.de
    search.hp.my.aol.it suche.aol.de sucheaol.aol.de suchet2.aol.de'),
  ('search', 'ask', true, '
    ask.co.uk ask.com ask.reference.com avira-int.ask.com avira.search.ask.com images.ask.com int.ask.com
    int.search.tb.ask.com iwon.ask.com mws.ask.com nortonsafe.search.ask.com search.ask.com search.tb.ask.com
    web.ask.com {}.ask.com {}.search.ask.com'),
  ('search', 'auone', false, '
    search.auone.jp sp-image.search.auone.jp sp-search.auone.jp sp-web.search.auone.jp'),
  ('search', 'avg', false, '
    isearch.avg.com search.avg.com'),
  ('search', 'babylon', false, '
    isearch.babylon.com search.babylon.com searchassist.babylon.com'),
  ('search', 'baidu', false, '
    baidu.co.th baidu.com m.baidu.com news.baidu.com tieba.baidu.com www1.baidu.com zhidao.baidu.com'),
  ('search', 'biglobe', false, '
    biglobe.co.jp biglobe.ne.jp cgi.search.biglobe.ne.jp images.search.biglobe.ne.jp'),
  ('search', 'bing', true, '
    bing.com cn.bing.com global.bing.com {}.bing.com'),
  ('search', 'cnn', false, '
    cnn.com'),
  ('search', 'comcast', false, '
    search.comcast.net'),
  ('search', 'conduit', false, '
    images.search.conduit.com search.conduit.com'),
  ('search', 'daum', false, '
    daum.net search.daum.net'),
  ('search', 'dogpile', true, '
    dogpile.com'),
  ('search', 'duckduckgo', true, '
    com.duckduckgo.mobile.android duckduckgo.com r.duckduckgo.com'),
  ('search', 'ecosia', true, '
    ecosia.org'),
  ('search', 'eniro', false, '
    eniro.se'),
  ('search', 'google', false, '
    blogsearch.google.com blogsearch.google.{} com.google.android.googlequicksearchbox cse.google.com cse.google.{}
    encrypted.google.com go.google.com google.com google.interia.pl google.{} images.google.com images.google.{}
    ipv6.google.com lens.google.com maps.google.com maps.google.{} news.google.com news.google.{} play.google.com
    scholar.google.com scholar.google.{} search.google.com translate.google.com video.google.com www2.google.com'),
  ('search', 'incredimail', false, '
    search.incredimail.com search1.incredimail.com search2.incredimail.com search3.incredimail.com
    search4.incredimail.com'),
  ('search', 'kvasir', false, '
    kvasir.no'),
  ('search', 'lycos', false, '
    lycos.{} search.lycos.com'),
  ('search', 'msn', false, '
    dizionario.it.msn.com enciclopedia.it.msn.com msn.com msnbc.msn.com ntp.msn.com'),
  ('search', 'najdi', false, '
    najdi.si'),
  ('search', 'naver', false, '
    m.naver.com m.search.naver.com naver.com search.naver.com'),
  ('search', 'onet', false, '
    onet.pl szukaj.onet.pl'),
  ('search', 'qwant', true, '
    lite.qwant.com qwant.com'),
  ('search', 'rakuten', false, '
    rakuten.co.jp websearch.rakuten.co.jp'),
  ('search', 'rambler', false, '
    mail.rambler.ru nova.rambler.ru rambler.ru'),
  ('search', 'search-results', false, '
    int.search-results.com search-results.com www1.search-results.com {}.search-results.com'),
  ('search', 'seznam', false, '
    email.seznam.cz search.seznam.cz seznam.cz videa.seznam.cz'),
  ('search', 'sogou', true, '
    english.sogou.com m.sogou.com sogou.com wap.sogou.com'),
  ('search', 'startpage', true, '
    classic.startpage.com eu.startpage.com s1-eu5.startpage.com s10-eu5.startpage.com s11-eu5.startpage.com
    s12-eu5.startpage.com s13-eu5.startpage.com s14-eu5.startpage.com s2-eu4.startpage.com s2-eu5.startpage.com
    s4-eu5.startpage.com s5-eu5.startpage.com s6-eu4.startpage.com s6-eu5.startpage.com s7-eu4.startpage.com
    s7-eu5.startpage.com s8-eu5.startpage.com startpage.com'),
  ('search', 'startsiden', false, '
    startsiden.no'),
  ('search', 'terra', false, '
    buscador.terra.cl buscador.terra.com.br buscador.terra.es'),
  ('search', 'ukr', false, '
    search.ukr.net secureurl.ukr.net'),
  ('search', 'virgilio', false, '
    mobile.virgilio.it ricerca.virgilio.it ricercaimmagini.virgilio.it ricercanews.virgilio.it ricercavideo.virgilio.it'),
  ('search', 'yahoo', false, '
    ar.search.yahoo.com at.search.yahoo.com au.search.yahoo.com br.search.yahoo.com ca.search.yahoo.com
    cade.images.yahoo.com cade.yahoo.com ch.search.yahoo.com cl.search.yahoo.com co.search.yahoo.com de.search.yahoo.com
    dk.search.yahoo.com es.search.yahoo.com espanol.images.yahoo.com espanol.search.yahoo.com fi.search.yahoo.com
    fr.search.yahoo.com hk.search.yahoo.com id.search.yahoo.com image.search.yahoo.co.jp images.search.yahoo.com
    in.search.yahoo.com it.search.yahoo.com malaysia.search.yahoo.com mx.search.yahoo.com nl.search.yahoo.com
    no.search.yahoo.com nz.search.yahoo.com one.cn.yahoo.com pe.search.yahoo.com ph.search.yahoo.com pl.search.yahoo.com
    qc.images.yahoo.com qc.search.yahoo.com r.search.yahoo.com se.search.yahoo.com search.yahoo.co.jp search.yahoo.com
    sg.search.yahoo.com th.search.yahoo.com tr.search.yahoo.com tw.search.yahoo.com uk.search.yahoo.com
    us.search.yahoo.com video.search.yahoo.co.jp vn.search.yahoo.com yahoo.co.jp yahoo.com yahoo.{} {}.images.yahoo.com
    {}.search.yahoo.com'),
  ('search', 'yandex', false, '
    clck.yandex.{} images.yandex.com images.yandex.ru images.yandex.{} m.yandex.{} mail.yandex.ru webmaster.yandex.ru
    yabs.yandex.{} yandex.by yandex.com yandex.com.tr yandex.fr yandex.kz yandex.ru yandex.ua yandex.uz yandex.{}
    zen.yandex.ru'),
  ('shopping', null, true, '
    aax-us-east.amazon-adsystem.com aax.amazon-adsystem.com alibaba alibaba.com amazon amazon.co.uk amazon.com amazon.{}
    apps.shopify.com com.amazon.mshop.android.shopping com.ebay.mobile cr.shopping.naver.com cr2.shopping.naver.com ebay
    ebay.co.uk ebay.com ebay.com.au ebay.de ebay.{} etsy etsy.com etsy.{} google%20shopping igshopping m.alibaba.com
    m.shopping.naver.com mercadolibre mercadolibre.com mercadolibre.com.ar mercadolibre.com.mx mercadolibre.{}
    message.alibaba.com msearch.shopping.naver.com nl.shopping.net no.shopping.net offer.alibaba.com one.walmart.com
    order.shopping.yahoo.co.jp partners.shopify.com s3.amazonaws.com se.shopping.net shop.app shopify shopify.com
    shopping.naver.com shopping.yahoo.co.jp shopping.yahoo.com shopzilla shopzilla.com simplycodes.com
    store.shopping.yahoo.co.jp stripe stripe.com uk.shopping.net walmart walmart.com'),
  ('social', null, true, '
    43things 43things.com 51.com 5ch.net academia.edu activerain activerain.com activeworlds activeworlds.com addthis
    addthis.com airg.ca allnurses.com allrecipes.com alumniclass alumniclass.com ameba.jp ameblo.jp americantowns
    americantowns.com amp.reddit.com ancestry.com anobii anobii.com answerbag answerbag.com answers.yahoo.com aolanswers
    aolanswers.com apps.facebook.com ar.pinterest.com artstation.com askubuntu askubuntu.com asmallworld.com
    at.pinterest.com athlinks athlinks.com away.vk.com awe.sm b.hatena.ne.jp baby-gaga baby-gaga.com babyblog.ru badoo
    badoo.com bebo bebo.com beforeitsnews beforeitsnews.com bharatstudent bharatstudent.com biip.no bilibili.com
    biswap.org bit.ly bitcoinhackers.org blackcareernetwork.com blackplanet blackplanet.com blip.fm blog.com
    blog.feedspot.com blog.goo.ne.jp blog.naver.com blog.yahoo.co.jp blogg.no bloggang.com blogger blogger.com blogher
    blogher.com bloglines bloglines.com blogs.com blogsome blogsome.com blogspot blogspot.com blogster blogster.com
    blurtit blurtit.com bookmarks.yahoo.co.jp bookmarks.yahoo.com botsin.space br.pinterest.com brightkite
    brightkite.com brizzly brizzly.com bsky.app business.facebook.com buzzfeed buzzfeed.com buzznet buzznet.com c.im
    cafe.naver.com cafemom cafemom.com camospace camospace.com canalblog.com care.com care2 care2.com caringbridge.org
    catster catster.com cbnt.io cellufun cellufun.com centerblog.net ch.pinterest.com channels.weixin.qq.com
    chaos.social chat.zalo.me chegg.com chicagonow chicagonow.com chiebukuro.yahoo.co.jp cl.pinterest.com classmates
    classmates.com classquest classquest.com co.pinterest.com cocolog-nifty cocolog-nifty.com com.facebook.katana
    com.facebook.orca com.google.android.apps.plus com.instagram.android com.linkedin.android com.pinterest
    com.reddit.frontpage com.snapchat.android com.twitter.android com.whatsapp com.zhiliaoapp.musically
    copainsdavant.linternaute.com couchsurfing.org cozycot cozycot.com cross.tv crunchyroll crunchyroll.com cybre.space
    cyworld cyworld.com cz.pinterest.com d.hatena.ne.jp dailystrength.org deluxe.com deviantart deviantart.com dianping
    dianping.com digg digg.com diigo diigo.com discord.com discord.gg discordapp.com discover.hubpages.com disqus
    disqus.com dk.pinterest.com dogster dogster.com dol2day dol2day.com doostang doostang.com dopplr dopplr.com douban
    douban.com douyin.com douyu.com draft.blogger.com draugiem.lv dribbble.com drugs-forum drugs-forum.com dzone
    dzone.com edublogs.org elftown elftown.com epicurious.com es.pinterest.com everforo.com exblog.jp extole extole.com
    facebook facebook.com faceparty faceparty.com fandom.com fanpop fanpop.com fark fark.com fb fb.me fc2 fc2.com
    feedspot feministing feministing.com fetlife.com filmaffinity filmaffinity.com flickr flickr.com flipboard
    flipboard.com flixster.com folkdirect folkdirect.com foodservice foodservice.com forums.androidcentral.com
    forums.crackberry.com forums.imore.com forums.nexopia.com forums.webosnation.com forums.wpcentral.com fosstodon.org
    fotki fotki.com fotolog fotolog.com foursquare foursquare.com free.facebook.com friendfeed friendfeed.com
    friends.nico friendsreunited.com friendster.com front-end.social fruehstueckstreff.org fubar fubar.com gaiaonline
    gaiaonline.com gamerdna gamerdna.com gate.sc gather.com geni.com getpocket.com github.com glassboard glassboard.com
    glassdoor glassdoor.com global.cyworld.com godtube godtube.com goldenline.pl goldstar goldstar.com goo.gl gooblog
    goodreads goodreads.com google+ googlegroups.com googleplus govloop govloop.com gowalla gowalla.com graphics.social
    gree.jp groups.google.com gulli.com gutefrage.net habbo habbo.com hachyderm.io hatena hi5 hi5.com hootsuite
    hootsuite.com houzz houzz.com hoverspot hoverspot.com hr.com hu.pinterest.com hubculture hubculture.com hubpages.com
    huya.com hyves.net hyves.nl ibibo ibibo.com id.pinterest.com identi.ca ie.pinterest.com ig imageshack imageshack.com
    imageshack.us imvu imvu.com in.pinterest.com indieweb.social insanejournal insanejournal.com instagram instagram.com
    instapaper instapaper.com internations.org interpals.net intherooms intherooms.com irc-galleria.net is.gd
    it.pinterest.com italki italki.com jammerdirect jammerdirect.com jappy.com jappy.de kaboodle.com kakao kakao.com
    kakaocorp.com kaneva kaneva.com kin.naver.com knzk.me kr.pinterest.com l.facebook.com l.instagram.com
    l.messenger.com l.threads.com l.threads.net l.workplace.com lang-8.com last.fm lastfm.com.br lastfm.com.tr lastfm.de
    lastfm.es lastfm.fr lastfm.it lastfm.jp lastfm.pl lastfm.ru lastfm.se librarything librarything.com
    lifestream.aol.com line line.me linkedin linkedin.android linkedin.com listal listal.com listography listography.com
    livedoor.com livedoorblog livejournal livejournal.com livejournal.ru lm.facebook.com lm.workplace.com lnkd.in
    login.tagged.com m.blog.naver.com m.cafe.naver.com m.facebook.com m.kin.naver.com m.vk.com m.yelp.com mamot.fr
    mas.to masto.ai mastodon.art mastodon.at mastodon.cloud mastodon.eus mastodon.jalgi.eus mastodon.nz mastodon.online
    mastodon.scot mastodon.social mastodon.technology mastodon.world mastodon.xyz mastodonapp.uk mastodont.cat mbga.jp
    medium.com meetin.org meetup meetup.com meinvz.net meneame.net menuism.com messages.google.com messages.yahoo.co.jp
    messenger messenger.com metapixl.com missevan.com mix.com mixi.jp mobile.facebook.com mocospace mocospace.com
    moikrug.ru mouthshut mouthshut.com movabletype movabletype.com mp.weixin.qq.com mstdn.io mstdn.jp mstdn.party
    mstdn.social mubi mubi.com multiply.com mx.pinterest.com my.mail.ru my.opera.com myanimelist.net myheritage
    myheritage.com mylife mylife.com mylife.ru mymodernmet mymodernmet.com myspace myspace.com myyearbook.com netlog.com
    netvibes netvibes.com news.ycombinator.com newsie.social newsshowcase nexopia ngopost.org niconico nicovideo.jp
    nightlifelink nightlifelink.com ning ning.com nk.pl nl.pinterest.com np.reddit.com nz.pinterest.com odnoklassniki.ru
    odnoklassniki.ua ohai.social okwave.jp old.reddit.com oneworldgroup.org onstartups onstartups.com open.weixin.qq.com
    opendiary opendiary.com org.joinmastodon.android org.telegram.messenger orkut.com oshiete.goo.ne.jp out.reddit.com
    over-blog.com overblog.com paper.li partyflock.nl pawoo.net pay.reddit.com peepeth.com ph.pinterest.com photobucket
    photobucket.com pinboard pinboard.in pingsta pingsta.com pinterest pinterest.at pinterest.ca pinterest.ch
    pinterest.cl pinterest.co.kr pinterest.co.uk pinterest.com pinterest.com.au pinterest.com.mx pinterest.de
    pinterest.dk pinterest.es pinterest.fr pinterest.ie pinterest.info pinterest.it pinterest.jp pinterest.nz
    pinterest.ph pinterest.pt pinterest.ru pinterest.se pix.toot.wales pixelfed.de pixelfed.social pixelfed.uno
    pixey.org pixiv.net pl.pinterest.com plaxo.com playahead.se plurk plurk.com plus.google.com plus.url.google.com
    pocket.co posterous posterous.com pro.homeadvisor.com pt.pinterest.com pulse.yahoo.com pxlmo.com qapacity
    qapacity.com quechup quechup.com quey.org quora quora.com qzone.qq.com ravelry ravelry.com reddit reddit.com redux
    redux.com renren renren.com researchgate.net reunion reunion.com reverbnation reverbnation.com ro-mastodon.puyo.jp
    rtl.de ru.pinterest.com ryze ryze.com salespider salespider.com scoop.it screenrant screenrant.com scribd scribd.com
    scvngr scvngr.com se.pinterest.com secondlife secondlife.com serverfault serverfault.com sfba.social shareit
    sharethis sharethis.com shvoong.com sites.google.com skyfeed.app skype skyrock skyrock.com slashdot.org
    slideshare.net smartnews.com snapchat snapchat.com social social.tchncs.de social.vivaldi.net sociallife.com.br
    socialvibe socialvibe.com sonico.com soundcloud.com sourceforge.net spaces.live.com spoke spoke.com spruz spruz.com
    ssense.com stackapps stackapps.com stackexchange stackexchange.com stackoverflow stackoverflow.com stardoll.com
    stickam stickam.com studivz.net stumbleupon.com suomi24.fi superuser superuser.com sweeva sweeva.com t.cn t.co t.me
    t.umblr.com tagged tagged.com taggedmail taggedmail.com talkbiznow talkbiznow.com taringa.net techmeme techmeme.com
    tencent tencent.com threads.com threads.net tiktok tiktok.com tinyurl tinyurl.com tkm.eus toolbox toolbox.com
    toot.community touch.facebook.com tr.pinterest.com travellerspoint travellerspoint.com tripadvisor tripadvisor.com
    trombi trombi.com trustpilot tudou tudou.com tuenti tuenti.com tumblr tumblr.com tweetdeck tweetdeck.com
    twitcasting.tv twitter twitter.com twoo.com typepad typepad.com typo.social unblog.fr universeodon.com
    urbanspoon.com url.google.com ushareit.com ushi.cn v2ex.com vampirefreaks vampirefreaks.com vampirerave
    vampirerave.com vg.no viadeo.com video.ibm.com vis.social vk.com vkontakte.ru vkrugudruzei.ru wakoopa wakoopa.com
    wattpad wattpad.com wayn.com web.facebook.com web.skype.com web.telegram.org webshots webshots.com wechat wechat.com
    weebly weebly.com weeworld.com weibo weibo.com wer-weiss-was.de weread weread.com whatsapp whatsapp.com
    wiki.answers.com wikihow.com wikitravel.org woot.com wordpress wordpress.com wordpress.org workplace.com x.com xanga
    xanga.com xing xing.com yahoo-mbga.jp yammer yammer.com yelp yelp.co.uk yelp.com youroom.in za.pinterest.com zalo
    zoo.gr zooppa zooppa.com'),
  ('video', null, true, '
    blog.twitch.tv com.google.android.youtube crackle crackle.com curiositystream curiositystream.com d.tube dailymotion
    dailymotion.com dashboard.twitch.tv disneyplus disneyplus.com fast.wistia.net help.hulu.com help.netflix.com hulu
    hulu.com id.twitch.tv iq.com iqiyi iqiyi.com jobs.netflix.com justin.tv m.twitch.tv m.youtube.com music.youtube.com
    netflix netflix.com player.twitch.tv player.vimeo.com ted ted.com twitch twitch.tv utreon utreon.com veoh veoh.com
    viadeo.journaldunet.com vimeo vimeo.com wistia wistia.com youku youku.com youtu.be youtube youtube-nocookie.com
    youtube.com')
) as lists (category, name, has_subdomains, sources)
cross join lateral regexp_split_to_table(btrim(lists.sources, E' \n'), '\s+') as categories (source);
analyze store.source_categories;
