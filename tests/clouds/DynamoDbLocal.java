import java.net.InetAddress;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import software.amazon.dynamodb.services.local.main.ServerRunner;
import software.amazon.dynamodb.services.local.shared.jobs.TimeToLiveDeletionJob;

/**
 * DynamoDB Local on the loopback interface, for as long as its standard input is open.
 *
 * Its own main listens on every interface and has no option for that, and outlives whoever started it.
 */
class DynamoDbLocal {
    public static void main(String[] options) throws Exception {
        Object proxy = ServerRunner.createServerFromCommandLineArgs(options);
        for (Connector connector : ((Server) of(proxy, "server")).getConnectors()) {
            ((ServerConnector) connector).setHost(InetAddress.getLoopbackAddress().getHostAddress());
        }
        Object requests = of(of(proxy, "serverHandler"), "primaryHandler");
        var database = requests.getClass().getDeclaredMethod("getHandler", String.class);
        database.setAccessible(true);
        Object jobs = of(database.invoke(requests, ""), "jobs");
        field(jobs, "threadPool").set(jobs, new Jobs());
        ((Server) of(proxy, "server")).start();
        while (System.in.read() >= 0) { }
        System.exit(0);
    }

    /**
     * Its background jobs, without the deletion of expired rows.
     *
     * Its own pool has ten threads. A table with an expiry takes one for good, so that from the eighth such table on no new
     * index is ever built, and of later tables no row is ever deleted. AWS deletes within days: no test may count on it.
     */
    static class Jobs extends ThreadPoolExecutor {
        Jobs() {
            super(0, Integer.MAX_VALUE, 60, TimeUnit.SECONDS, new SynchronousQueue<>());
        }

        @Override
        public Future<?> submit(Runnable job) {
            return job instanceof TimeToLiveDeletionJob ? CompletableFuture.completedFuture(null) : super.submit(job);
        }
    }

    static Object of(Object owner, String name) throws Exception {
        return field(owner, name).get(owner);
    }

    static java.lang.reflect.Field field(Object owner, String name) throws Exception {
        for (Class<?> type = owner.getClass(); type != null; type = type.getSuperclass()) {
            for (var field : type.getDeclaredFields()) {
                if (field.getName().equals(name)) {
                    field.setAccessible(true);
                    return field;
                }
            }
        }
        throw new NoSuchFieldException(owner.getClass() + " has no " + name + ": is this another version of DynamoDB Local?");
    }
}
